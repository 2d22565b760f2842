using System.Globalization;

namespace PdEngine;

/// <summary>What a plain (unquoted) word of YAML, or a word of a command line, stands for.</summary>
internal static class ScalarText
{
    private static readonly string[] Nothing = ["", "~", "null", "Null", "NULL"];
    private static readonly string[] True = ["true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"];
    private static readonly string[] False = ["false", "False", "FALSE", "no", "No", "NO", "off", "Off",
        "OFF"];

    /// <summary>The value as YAML 1.1 reads it; numbers are decimal, with or without underscores.</summary>
    public static OverrideValue Plain(string text)
    {
        if (Nothing.Contains(text))
            return OverrideValue.None;
        if (True.Contains(text))
            return OverrideValue.Of(true);
        if (False.Contains(text))
            return OverrideValue.Of(false);
        if (text.Length > 40 || !LooksNumeric(text))
            return OverrideValue.Of(text);
        string digits = text.Replace("_", "", StringComparison.Ordinal);
        if (long.TryParse(digits, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture,
            out long whole))
            return LeadsWithZero(digits) ? OverrideValue.Of(text) : OverrideValue.Of(whole);
        if (double.TryParse(digits, NumberStyles.Float, CultureInfo.InvariantCulture, out double number)
            && double.IsFinite(number))
            return OverrideValue.Of(number);
        return OverrideValue.Of(text);
    }

    /// <summary>The value that a flag's word gives a rule; a word for a text stays one, whatever it looks
    /// like.</summary>
    public static OverrideValue Word(string text, OverrideRule rule)
    {
        if (rule.Kind is OverrideKind.Text)
            return rule.AcceptsNone && text is "None" or "null" ? OverrideValue.None : OverrideValue.Of(text);
        if (rule.Kind is OverrideKind.List)
            return new OverrideValue(OverrideKind.List, $"[{text}]");
        return text == "None" ? OverrideValue.None : Plain(text);
    }

    // 010 is eight to YAML 1.1 and ten to a reader: it is neither here.
    private static bool LeadsWithZero(string digits)
    {
        string bare = digits.TrimStart('+', '-');
        return bare.Length > 1 && bare[0] == '0';
    }

    private static bool LooksNumeric(string text)
    {
        string bare = text.TrimStart('+', '-');
        return bare.Length > 0 && (char.IsAsciiDigit(bare[0]) || (bare[0] == '.' && bare.Length > 1))
            && bare.All(letter => char.IsAsciiDigit(letter) || letter is '.' or 'e' or 'E' or '+' or '-'
                or '_');
    }
}
