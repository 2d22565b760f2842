namespace PdEngine;

/// <summary>The tokens of a template, read in order with one token of sight.</summary>
internal sealed class JinjaTokenStream
{
    private readonly List<JinjaToken> _tokens;
    private int _position;
    private int _depth;

    public JinjaTokenStream(List<JinjaToken> tokens) => _tokens = tokens;

    public JinjaToken Current => _tokens[_position];

    public JinjaToken Following => _tokens[Math.Min(_position + 1, _tokens.Count - 1)];

    public int Line => Current.Line;

    public JinjaToken Take()
    {
        JinjaToken token = Current;
        if (token.Kind != JinjaTokenKind.End)
            _position++;
        return token;
    }

    public bool AtName(string name) => Current.Is(JinjaTokenKind.Name, name);

    public bool AtOperator(string text) => Current.Is(JinjaTokenKind.Operator, text);

    public bool TrySkipName(string name) => TrySkip(AtName(name));

    public bool TrySkipOperator(string text) => TrySkip(AtOperator(text));

    public JinjaToken Expect(JinjaTokenKind kind) => Current.Kind == kind
        ? Take()
        : throw Error($"expected {new JinjaToken(kind, kind.ToString(), 0)} but found {Current}");

    public string ExpectName() => Current.Kind == JinjaTokenKind.Name
        ? Take().Text
        : throw Error($"expected a name but found {Current}");

    public void ExpectName(string name)
    {
        if (!TrySkipName(name))
            throw Error($"expected '{name}' but found {Current}");
    }

    public void ExpectOperator(string text)
    {
        if (!TrySkipOperator(text))
            throw Error($"expected '{text}' but found {Current}");
    }

    /// <summary>Counts one level of nesting; its caller leaves it again.</summary>
    public void Enter()
    {
        if (++_depth > JinjaLimits.ParseDepth)
            throw Error($"tags and brackets nest more than {JinjaLimits.ParseDepth} deep");
    }

    public void Leave() => _depth--;

    public JinjaException Error(string problem) => new(problem, Line);

    private bool TrySkip(bool isThere)
    {
        if (isThere)
            _position++;
        return isThere;
    }
}
