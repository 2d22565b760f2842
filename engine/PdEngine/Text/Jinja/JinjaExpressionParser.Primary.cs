using System.Text;

namespace PdEngine;

/// <content>Names, literals and brackets.</content>
internal sealed partial class JinjaExpressionParser
{
    private JinjaExpression ParsePrimary()
    {
        JinjaToken token = _tokens.Take();
        switch (token.Kind)
        {
            case JinjaTokenKind.Name:
                return ParseWord(token);
            case JinjaTokenKind.String:
                StringBuilder text = new(token.Text);
                while (_tokens.Current.Kind == JinjaTokenKind.String)
                    text.Append(_tokens.Take().Text);
                return new JinjaLiteral(token.Line, JinjaValue.String(text.ToString()));
            case JinjaTokenKind.Number:
                return new JinjaLiteral(token.Line, token.Number);
            case JinjaTokenKind.Operator when token.Text == "(":
                _tokens.Enter();
                JinjaExpression inner = ParseTuple(allowEmpty: true);
                _tokens.ExpectOperator(")");
                _tokens.Leave();
                return inner;
            case JinjaTokenKind.Operator when token.Text == "[":
                return new JinjaSequenceLiteral(token.Line, [.. ParseItems("]")], JinjaSequenceKind.List);
            case JinjaTokenKind.Operator when token.Text == "{":
                return ParseMapping(token.Line);
            default:
                throw new JinjaException($"expected a value but found {token}", token.Line);
        }
    }

    private JinjaExpression ParseWord(JinjaToken token)
    {
        switch (token.Text)
        {
            case "true" or "True":
                return new JinjaLiteral(token.Line, JinjaValue.True);
            case "false" or "False":
                return new JinjaLiteral(token.Line, JinjaValue.False);
            case "none" or "None":
                return new JinjaLiteral(token.Line, JinjaValue.None);
            default:
                Mentions.Add(token.Text);
                return new JinjaName(token.Line, token.Text);
        }
    }

    private List<JinjaExpression> ParseItems(string end)
    {
        List<JinjaExpression> items = [];
        while (!_tokens.TrySkipOperator(end))
        {
            items.Add(Parse());
            if (!_tokens.AtOperator(end))
                _tokens.ExpectOperator(",");
        }
        return items;
    }

    private JinjaMappingLiteral ParseMapping(int line)
    {
        List<KeyValuePair<JinjaExpression, JinjaExpression>> entries = [];
        while (!_tokens.TrySkipOperator("}"))
        {
            JinjaExpression key = Parse();
            _tokens.ExpectOperator(":");
            entries.Add(new(key, Parse()));
            if (!_tokens.AtOperator("}"))
                _tokens.ExpectOperator(",");
        }
        return new JinjaMappingLiteral(line, entries);
    }

    private static bool IsNone(JinjaExpression value) => value is JinjaLiteral { Value.IsNone: true };

    private static bool IsContent(JinjaExpression value) => value switch
    {
        JinjaName name => name.Name == "content",
        JinjaAttribute attribute => attribute.Name == "content",
        JinjaItem { Key: JinjaLiteral { Value: { IsString: true } key } } => key.AsString == "content",
        _ => false,
    };
}
