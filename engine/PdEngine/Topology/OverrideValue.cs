using System.Globalization;

namespace PdEngine;

/// <summary>A value of an override: nothing, a switch, a number, a text, or a list as text.</summary>
/// <param name="Kind">Which of them.</param>
/// <param name="Text">The value as it is shown; two values are equal when kind and text are.</param>
public readonly record struct OverrideValue(OverrideKind Kind, string Text)
{
    /// <summary>No value.</summary>
    public static OverrideValue None { get; } = new(OverrideKind.None, "null");

    /// <summary>The number; only for <see cref="OverrideKind.Int"/> and <see
    /// cref="OverrideKind.Float"/>.</summary>
    public double Number => double.Parse(Text, CultureInfo.InvariantCulture);

    /// <summary>The switch; only for <see cref="OverrideKind.Bool"/>.</summary>
    public bool IsTrue => Kind is OverrideKind.Bool && Text == "true";

    /// <inheritdoc/>
    public override string ToString() => Text;

    internal static OverrideValue Of(bool value) => new(OverrideKind.Bool, value ? "true" : "false");

    internal static OverrideValue Of(long value) =>
        new(OverrideKind.Int, value.ToString(CultureInfo.InvariantCulture));

    internal static OverrideValue Of(double value) =>
        new(OverrideKind.Float, value.ToString("R", CultureInfo.InvariantCulture));

    internal static OverrideValue Of(string value) => new(OverrideKind.Text, value);
}

/// <summary>Kinds of override values.</summary>
public enum OverrideKind
{
    /// <summary>No value.</summary>
    None,

    /// <summary>true or false.</summary>
    Bool,

    /// <summary>A whole number.</summary>
    Int,

    /// <summary>A finite number.</summary>
    Float,

    /// <summary>A text.</summary>
    Text,

    /// <summary>A list or a mapping.</summary>
    List,
}
