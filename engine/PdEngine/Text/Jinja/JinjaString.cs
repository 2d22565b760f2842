using System.Text;

namespace PdEngine;

/// <summary>Strings by code point, as Python counts them; .NET counts UTF-16 units.</summary>
internal static class JinjaString
{
    public static int Length(string text)
    {
        int pairs = 0;
        for (int index = 0; index + 1 < text.Length; index++)
        {
            if (char.IsSurrogatePair(text[index], text[index + 1]))
            {
                pairs++;
                index++;
            }
        }
        return text.Length - pairs;
    }

    public static JinjaValue[] CodePoints(string text)
    {
        JinjaValue[] points = new JinjaValue[Length(text)];
        int at = 0;
        for (int index = 0; index < points.Length; index++)
        {
            int units = UnitsAt(text, at);
            points[index] = JinjaValue.String(text.Substring(at, units));
            at += units;
        }
        return points;
    }

    /// <summary>UTF-16 index of a code point's index, which must be within the text or at its end.</summary>
    public static int UnitIndex(string text, int pointIndex)
    {
        int at = 0;
        for (; pointIndex > 0; pointIndex--)
            at += UnitsAt(text, at);
        return at;
    }

    public static string Slice(string text, JinjaRange range)
    {
        if (range.Step == 1)
        {
            int start = UnitIndex(text, range.Start);
            int end = start;
            for (int count = range.Count; count > 0; count--)
                end += UnitsAt(text, end);
            return text[start..end];
        }
        JinjaValue[] points = CodePoints(text);
        StringBuilder slice = new();
        for (int index = 0; index < range.Count; index++)
            slice.Append(points[range.Start + (index * range.Step)].AsString);
        return slice.ToString();
    }

    public static string Strip(string text, string? characters, bool start, bool end)
    {
        int from = 0;
        int to = text.Length;
        while (start && from < to && IsStripped(text, from, characters, out int units))
            from += units;
        while (end && to > from)
        {
            int at = to > 1 && to - 2 >= from && char.IsSurrogatePair(text[to - 2], text[to - 1])
                ? to - 2
                : to - 1;
            if (!IsStripped(text, at, characters, out _))
                break;
            to = at;
        }
        return text[from..to];
    }

    /// <summary>First letter upper case and the others lower case.</summary>
    public static string Capitalize(string text)
    {
        if (text.Length == 0)
            return text;
        int units = UnitsAt(text, 0);
        return text[..units].ToUpperInvariant() + text[units..].ToLowerInvariant();
    }

    /// <summary>
    /// jinja2's <c>title</c> filter: a word starts after a blank, a hyphen or an opening bracket.
    /// </summary>
    public static string TitleWords(string text) =>
        Title(text, static c => c is '-' or '(' or '{' or '[' or '<' || JinjaLexer.IsSpace(c));

    /// <summary>Python's <c>str.title</c>: a word starts after anything but a letter.</summary>
    public static string TitleLetters(string text) => Title(text, static c => !char.IsLetter(c));

    /// <summary>
    /// Text with each <paramref name="old"/> replaced, at most <paramref name="count"/> of them if positive.
    /// </summary>
    public static JinjaValue Replace(JinjaContext context, string text, string old, string @new, int count)
    {
        context.ChargeSearch(text.Length, old.Length);
        StringBuilder result = new();
        int at = 0;
        for (int done = 0; count < 0 || done < count; done++)
        {
            int found = old.Length > 0 ? text.IndexOf(old, at, StringComparison.Ordinal)
                : done == 0 ? 0
                : at < text.Length ? at + UnitsAt(text, at)
                : -1;
            if (found < 0)
                break;
            context.Charge(1);
            context.ChargeChars(@new.Length + found - at);
            result.Append(text, at, found - at).Append(@new);
            at = found + old.Length;
        }
        context.ChargeChars(text.Length - at);
        return JinjaValue.String(result.Append(text, at, text.Length - at).ToString());
    }

    private static string Title(string text, Func<char, bool> isBoundary)
    {
        StringBuilder title = new(text.Length);
        bool starts = true;
        for (int at = 0; at < text.Length;)
        {
            int units = UnitsAt(text, at);
            string point = text.Substring(at, units);
            bool boundary = units == 1 && isBoundary(text[at]);
            title.Append(boundary ? point : starts ? point.ToUpperInvariant() : point.ToLowerInvariant());
            starts = boundary;
            at += units;
        }
        return title.ToString();
    }

    private static bool IsStripped(string text, int at, string? characters, out int units)
    {
        units = UnitsAt(text, at);
        return characters is null
            ? JinjaLexer.IsSpace(text[at])
            : characters.AsSpan().Contains(text.AsSpan(at, units), StringComparison.Ordinal);
    }

    private static int UnitsAt(string text, int at) =>
        at + 1 < text.Length && char.IsSurrogatePair(text[at], text[at + 1]) ? 2 : 1;
}
