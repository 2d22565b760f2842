namespace PdEngine;

/// <summary>Parses the tags of a template into statements.</summary>
internal sealed class JinjaParser
{
    private readonly JinjaTokenStream _tokens;
    private readonly JinjaExpressionParser _expressions;
    private int _loopDepth;

    private JinjaParser(List<JinjaToken> tokens)
    {
        _tokens = new JinjaTokenStream(tokens);
        _expressions = new JinjaExpressionParser(_tokens);
    }

    /// <summary>
    /// Parses a whole template; a <see cref="JinjaException"/> with its line says what is wrong.
    /// </summary>
    public static JinjaTemplate Parse(string source)
    {
        if (source.Length > JinjaLimits.SourceChars)
        {
            throw new JinjaException(
                $"the template has {source.Length} characters; at most {JinjaLimits.SourceChars} are taken",
                line: 1);
        }
        List<JinjaToken> tokens = JinjaLexer.Tokenize(source);
        JinjaParser parser = new(tokens);
        JinjaBlock body = parser.ParseBody();
        bool usesTools = tokens.Exists(token => token.Is(JinjaTokenKind.Name, "tools"));
        return new JinjaTemplate(body, parser._expressions.AsksForNullContent, usesTools);
    }

    /// <summary>
    /// Statements up to a tag named in <paramref name="ends"/>, whose name is then the current token.
    /// </summary>
    private JinjaBlock ParseBody(params ReadOnlySpan<string> ends)
    {
        int start = _tokens.Line;
        _tokens.Enter();
        List<JinjaStatement> statements = [];
        while (true)
        {
            JinjaToken token = _tokens.Take();
            switch (token.Kind)
            {
                case JinjaTokenKind.Text:
                    statements.Add(new JinjaTextStatement(token.Line, token.Text));
                    break;
                case JinjaTokenKind.PrintStart:
                    statements.Add(new JinjaPrint(token.Line, _expressions.ParseTuple()));
                    _tokens.Expect(JinjaTokenKind.PrintEnd);
                    break;
                case JinjaTokenKind.TagStart:
                    if (_tokens.Current.Kind == JinjaTokenKind.Name && ends.Contains(_tokens.Current.Text))
                    {
                        _tokens.Leave();
                        return new JinjaBlock(statements);
                    }
                    ParseStatement(statements);
                    _tokens.Expect(JinjaTokenKind.TagEnd);
                    break;
                default:
                    if (ends.Length > 0)
                        throw new JinjaException($"the template ends without '{ends[^1]}'", start);
                    _tokens.Leave();
                    return new JinjaBlock(statements);
            }
        }
    }

    private JinjaBlock ParseBodyAfterTag(params ReadOnlySpan<string> ends)
    {
        _tokens.TrySkipOperator(":");
        _tokens.Expect(JinjaTokenKind.TagEnd);
        return ParseBody(ends);
    }

    private JinjaBlock ParseBodyToEnd(string end)
    {
        JinjaBlock body = ParseBodyAfterTag(end);
        _tokens.ExpectName(end);
        return body;
    }

    private void ParseStatement(List<JinjaStatement> statements)
    {
        int line = _tokens.Line;
        string tag = _tokens.ExpectName();
        if (tag == "print")
        {
            do
                statements.Add(new JinjaPrint(line, _expressions.Parse()));
            while (_tokens.TrySkipOperator(","));
            return;
        }
        statements.Add(tag switch
        {
            "for" => ParseFor(line),
            "if" => ParseIf(line),
            "set" => ParseSet(line),
            "macro" => ParseMacro(line),
            "call" => ParseCall(line),
            "filter" => ParseFilter(line),
            "with" => ParseWith(line),
            "generation" => new JinjaWith(line, [], ParseBodyToEnd("endgeneration")),
            "break" => ParseJump(line, JinjaFlow.Break),
            "continue" => ParseJump(line, JinjaFlow.Continue),
            _ => throw new JinjaException($"the tag '{tag}' is unknown, misplaced or not supported", line),
        });
    }

    private JinjaFor ParseFor(int line)
    {
        JinjaTarget target = ParseTargets(allowNamespace: false, end: "in");
        _tokens.ExpectName("in");
        JinjaExpression source = _expressions.ParseTuple(withCondition: false, end: "recursive");
        JinjaExpression? condition = _tokens.TrySkipName("if") ? _expressions.Parse() : null;
        if (_tokens.AtName("recursive"))
            throw _tokens.Error("recursive loops are not supported");
        _loopDepth++;
        JinjaBlock body = ParseBodyAfterTag("endfor", "else");
        _loopDepth--;
        JinjaBlock? otherwise = null;
        if (_tokens.TrySkipName("else"))
            otherwise = ParseBodyAfterTag("endfor");
        _tokens.ExpectName("endfor");
        return new JinjaFor(line, target, source, condition, body, otherwise);
    }

    private JinjaIf ParseIf(int line)
    {
        List<KeyValuePair<JinjaExpression, JinjaBlock>> branches = [];
        JinjaBlock? otherwise = null;
        bool outer = _expressions.IsGuarded;
        do
        {
            JinjaExpression condition = _expressions.ParseTuple(withCondition: false);
            _expressions.IsGuarded = true;
            branches.Add(new(condition, ParseBodyAfterTag("elif", "else", "endif")));
        }
        while (_tokens.TrySkipName("elif"));
        if (_tokens.TrySkipName("else"))
            otherwise = ParseBodyAfterTag("endif");
        _expressions.IsGuarded = outer;
        _tokens.ExpectName("endif");
        return new JinjaIf(line, branches, otherwise);
    }

    private JinjaSet ParseSet(int line)
    {
        JinjaTarget target = ParseTargets(allowNamespace: true, end: null);
        if (_tokens.TrySkipOperator("="))
            return new JinjaSet(line, target, _expressions.ParseTuple());
        LateInput input = new(line);
        JinjaExpression filtered = _expressions.ParseFilters(input);
        input.Source = new JinjaCapture(line, ParseUnlooped("endset"));
        return new JinjaSet(line, target, filtered);
    }

    private JinjaPrint ParseFilter(int line)
    {
        LateInput input = new(line);
        JinjaExpression filtered = _expressions.ParseFilters(input, startsInline: true);
        input.Source = new JinjaCapture(line, ParseUnlooped("endfilter"));
        return new JinjaPrint(line, filtered);
    }

    private JinjaMacroStatement ParseMacro(int line)
    {
        string name = _tokens.ExpectName();
        return new JinjaMacroStatement(line, ParseMacroBody(name, "endmacro", () => { }));
    }

    private JinjaCallStatement ParseCall(int line)
    {
        JinjaCall? call = null;
        JinjaMacro body = ParseMacroBody("", "endcall", () =>
        {
            call = _expressions.Parse() as JinjaCall;
            if (call is null)
                throw new JinjaException("the tag 'call' needs a call", line);
        });
        return new JinjaCallStatement(line, call!, body);
    }

    private JinjaMacro ParseMacroBody(string name, string end, Action parseCall)
    {
        HashSet<string> outer = _expressions.Mentions;
        _expressions.Mentions = new HashSet<string>(StringComparer.Ordinal);
        List<KeyValuePair<string, JinjaExpression?>> parameters = ParseParameters(
            isOptional: end == "endcall");
        parseCall();
        JinjaBlock body = ParseUnlooped(end);
        HashSet<string> mentions = _expressions.Mentions;
        outer.UnionWith(mentions);
        _expressions.Mentions = outer;
        return new JinjaMacro(name, parameters, body, mentions);
    }

    /// <summary>A body that no <c>break</c> inside can leave.</summary>
    private JinjaBlock ParseUnlooped(string end)
    {
        int outer = _loopDepth;
        _loopDepth = 0;
        JinjaBlock body = ParseBodyToEnd(end);
        _loopDepth = outer;
        return body;
    }

    private List<KeyValuePair<string, JinjaExpression?>> ParseParameters(bool isOptional)
    {
        List<KeyValuePair<string, JinjaExpression?>> parameters = [];
        if (isOptional && !_tokens.AtOperator("("))
            return parameters;
        _tokens.ExpectOperator("(");
        while (!_tokens.TrySkipOperator(")"))
        {
            if (parameters.Count > 0)
                _tokens.ExpectOperator(",");
            string name = _tokens.ExpectName();
            JinjaExpression? whenAbsent = _tokens.TrySkipOperator("=") ? _expressions.Parse() : null;
            if (whenAbsent is null && parameters.Count > 0 && parameters[^1].Value is not null)
                throw _tokens.Error($"parameter '{name}' needs a default, as the one before it has");
            parameters.Add(new(name, whenAbsent));
        }
        return parameters;
    }

    private JinjaWith ParseWith(int line)
    {
        List<KeyValuePair<JinjaTarget, JinjaExpression>> names = [];
        while (_tokens.Current.Kind != JinjaTokenKind.TagEnd)
        {
            if (names.Count > 0)
                _tokens.ExpectOperator(",");
            JinjaTarget target = ParseTarget(allowNamespace: false);
            _tokens.ExpectOperator("=");
            names.Add(new(target, _expressions.Parse()));
        }
        return new JinjaWith(line, names, ParseBodyToEnd("endwith"));
    }

    private JinjaJump ParseJump(int line, JinjaFlow flow) =>
        _loopDepth > 0 ? new JinjaJump(line, flow) : throw new JinjaException("'break' outside a loop", line);

    private JinjaTarget ParseTargets(bool allowNamespace, string? end)
    {
        List<JinjaTarget> targets = [];
        bool isTuple = false;
        while (_tokens.Current.Kind == JinjaTokenKind.Name ? end is null || !_tokens.AtName(end)
            : _tokens.AtOperator("("))
        {
            targets.Add(ParseTarget(allowNamespace));
            if (!_tokens.TrySkipOperator(","))
                break;
            isTuple = true;
        }
        if (targets.Count == 0)
            throw _tokens.Error($"expected a name but found {_tokens.Current}");
        return isTuple ? new JinjaTupleTarget(targets) : targets[0];
    }

    private JinjaTarget ParseTarget(bool allowNamespace)
    {
        if (_tokens.TrySkipOperator("("))
        {
            _tokens.Enter();
            JinjaTarget inner = ParseTargets(allowNamespace, end: null);
            _tokens.ExpectOperator(")");
            _tokens.Leave();
            return inner;
        }
        string name = _tokens.ExpectName();
        if (name is "true" or "True" or "false" or "False" or "none" or "None")
            throw _tokens.Error($"cannot assign to '{name}'");
        return allowNamespace && _tokens.TrySkipOperator(".")
            ? new JinjaNamespaceTarget(name, _tokens.ExpectName())
            : new JinjaNameTarget(name);
    }

    /// <summary>Stands for a body that is parsed after the filters on it.</summary>
    private sealed class LateInput(int line) : JinjaExpression(line)
    {
        public JinjaExpression? Source { get; set; }

        protected override JinjaValue Compute(JinjaContext context) => Source!.Evaluate(context);
    }
}
