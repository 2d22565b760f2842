namespace PdEngine;

/// <summary>Kinds of lexical elements of a template.</summary>
internal enum JinjaTokenKind
{
    Text,
    TagStart,
    TagEnd,
    PrintStart,
    PrintEnd,
    Name,
    String,
    Number,
    Operator,
    End,
}

/// <summary>
/// One lexical element: <paramref name="Text"/> is its text, a string literal's being unescaped.
/// </summary>
internal readonly record struct JinjaToken(
    JinjaTokenKind Kind, string Text, int Line, JinjaValue Number = default)
{
    public bool Is(JinjaTokenKind kind, string text) => Kind == kind && Text == text;

    public override string ToString() => Kind switch
    {
        JinjaTokenKind.End => "end of template",
        JinjaTokenKind.TagEnd => "'%}'",
        JinjaTokenKind.PrintEnd => "'}}'",
        JinjaTokenKind.Text => "text",
        JinjaTokenKind.TagStart => "'{%'",
        JinjaTokenKind.PrintStart => "'{{'",
        _ => $"'{(Text.Length > 40 ? Text[..40] : Text)}'",
    };
}
