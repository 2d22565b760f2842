namespace PdEngine;

/// <summary>
/// What one rendering may cost: a checkpoint's template is not trusted with the host's time or memory.
/// </summary>
/// <param name="Steps">Nodes evaluated and items visited, before the allowance for the size of the
/// input.</param>
/// <param name="Chars">UTF-16 units of all text made, kept or not; a list item counts as 16.</param>
internal sealed record JinjaLimits(long Steps, long Chars)
{
    /// <summary>
    /// Longest template source, in UTF-16 units; the longest known template has 30 thousand.
    /// </summary>
    public const int SourceChars = 1 << 18;

    /// <summary>Longest name in a source: each look-up costs its length.</summary>
    public const int NameChars = 256;

    /// <summary>Deepest nesting of tags, brackets and unary operators in a source.</summary>
    public const int ParseDepth = 100;

    /// <summary>Deepest nesting of evaluation, macro calls included.</summary>
    public const int EvaluationDepth = 500;

    /// <summary>Deepest nesting of lists and mappings in each other.</summary>
    public const int ValueDepth = 128;

    /// <summary>
    /// Heaviest list or mapping, see <see cref="JinjaValue.Weight"/>; stops values that double themselves.
    /// </summary>
    public const long ValueWeight = 1L << 26;

    /// <summary>Largest result of integer arithmetic, in bits; no template counts that far.</summary>
    public const int IntegerBits = 1024;

    /// <summary>Longest <c>range</c>, as in jinja2's sandbox.</summary>
    public const int RangeItems = 100_000;

    /// <summary>
    /// Text allowed for each unit of the input's weight: templates copy a message a few times.
    /// </summary>
    public const int CharsPerInputValue = 512;

    /// <summary>Steps allowed for each unit of the input's weight.</summary>
    public const int StepsPerInputValue = 200;

    /// <summary>Limits for serving.</summary>
    public static readonly JinjaLimits Serving = new(Steps: 2_000_000, Chars: 16 << 20);
}
