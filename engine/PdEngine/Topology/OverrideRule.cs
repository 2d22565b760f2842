namespace PdEngine;

/// <summary>What is known of one override: its kind, its default, and what this engine makes of it.</summary>
internal sealed record OverrideRule
{
    public required string Key { get; init; }

    public required OverrideKind Kind { get; init; }

    /// <summary>The values that ask for nothing beyond what the engine does; the first is the
    /// default.</summary>
    public required IReadOnlyList<string> Harmless { get; init; }

    /// <summary>All values a text may have; empty: any.</summary>
    public IReadOnlyList<string> Choices { get; init; } = [];

    /// <summary>Values of an acted-on text that the engine has; empty: all of its choices.</summary>
    public IReadOnlyList<string> Supported { get; init; } = [];

    public bool IsActedOn { get; init; }

    /// <summary>Whether leaving the value out would change tokens or the memory format.</summary>
    public bool ChangesResults { get; init; }

    /// <summary>The range of an acted-on number, in words, and its test.</summary>
    public (string Words, Func<double, bool> Holds)? Range { get; init; }

    public bool AcceptsNone => Harmless.Contains("null");

    /// <summary>What is wrong with a value, or null.</summary>
    public string? FaultOf(OverrideValue value)
    {
        if (value.Kind is OverrideKind.None)
            return AcceptsNone ? null : $"'{Key}' needs {Wanted}; leave the line out for the default "
                + $"{Harmless[0]}";
        bool fits = value.Kind == Kind || (Kind is OverrideKind.Float && value.Kind is OverrideKind.Int);
        if (!fits)
            return $"'{Key}' needs {Wanted}, not {Shown(value)}";
        if (Choices.Count > 0 && !Choices.Contains(value.Text))
        {
            string hint = NearestName.Of(value.Text, Choices, within: 2) is { } near
                ? $"; did you mean '{near}'?" : "";
            return $"'{Key}' is one of {string.Join(", ", Choices)}, not {Shown(value)}{hint}";
        }
        if (Range is { } range && !range.Holds(value.Number))
            return $"'{Key}' must be {range.Words}, not {value.Text}";
        return null;
    }

    /// <summary>What the engine does about a value without fault.</summary>
    public OverrideStatus StatusOf(OverrideValue value)
    {
        if (IsActedOn)
        {
            return Supported.Count == 0 || Supported.Contains(value.Text)
                ? OverrideStatus.ActedOn : OverrideStatus.NotYet;
        }
        return Harmless.Any(harmless => Same(value, harmless)) ? OverrideStatus.AlreadySo
            : OverrideStatus.NotYet;
    }

    private static bool Same(OverrideValue value, string harmless) => value.Kind switch
    {
        OverrideKind.Int or OverrideKind.Float => double.TryParse(harmless, out double number)
            && number == value.Number,
        _ => value.Text == harmless,
    };

    private string Wanted => Kind switch
    {
        OverrideKind.Bool => "true or false",
        OverrideKind.Int => "a whole number",
        OverrideKind.Float => "a number",
        OverrideKind.Text => Choices.Count > 0 ? $"one of {string.Join(", ", Choices)}" : "a text",
        _ => "a list",
    };

    private static string Shown(OverrideValue value)
    {
        string text = value.Text.Length > 60 ? value.Text[..60] + "..." : value.Text;
        return value.Kind is OverrideKind.Text ? $"the text '{text}'" : text;
    }
}
