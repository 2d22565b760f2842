namespace PdEngine;

/// <summary>Runs that several patterns share; each returns the index behind the run.</summary>
internal static class Scan
{
    public static bool IsAsciiLetter(byte value) => (uint)((value | 0x20) - 'a') <= 25;

    /// <summary><c>\p{L}*</c></summary>
    public static int Letters(ReadOnlySpan<byte> text, int at)
    {
        while (at < text.Length)
        {
            byte lead = text[at];
            if (IsAsciiLetter(lead))
                at++;
            else if (lead >= 0x80 && (CodePointClass.Of(Utf8.Decode(text, at, out int length))
                & CodePointClass.Letter) != 0)
                at += length;
            else
                break;
        }
        return at;
    }

    /// <summary>
    /// Code points that have any of <paramref name="classes"/>, at most <paramref name="most"/>.
    /// </summary>
    public static int AnyOf(ReadOnlySpan<byte> text, int at, byte classes, int most = int.MaxValue)
    {
        for (int count = 0; count < most; count++)
        {
            if ((Utf8.Classify(text, at, out int length) & classes) == 0)
                break;
            at += length;
        }
        return at;
    }

    /// <summary>Code points that have none of <paramref name="classes"/>.</summary>
    public static int NoneOf(ReadOnlySpan<byte> text, int at, byte classes)
    {
        while (at < text.Length && (Utf8.Classify(text, at, out int length) & classes) == 0)
            at += length;
        return at;
    }

    /// <summary><c>[\r\n]*</c>, and <c>/</c> where that counts too.</summary>
    public static int Newlines(ReadOnlySpan<byte> text, int at, bool orSlash = false)
    {
        while (at < text.Length && (text[at] is (byte)'\r' or (byte)'\n' || (orSlash && text[at] == '/')))
            at++;
        return at;
    }

    /// <summary>
    /// <c>\s+(?!\S)|\s+</c>, after <c>\s*[\r\n]+|</c> where <paramref name="newlinesFirst"/>; there is
    /// whitespace at
    /// <paramref name="start"/>.
    /// </summary>
    public static int Whitespace(ReadOnlySpan<byte> text, int start, bool newlinesFirst)
    {
        int at = start;
        int lastStart = start;
        int lastNewline = -1;
        byte flags;
        while (((flags = Utf8.Classify(text, at, out int length)) & CodePointClass.Space) != 0)
        {
            lastStart = at;
            if ((flags & CodePointClass.Newline) != 0)
                lastNewline = at;
            at += length;
        }
        if (newlinesFirst && lastNewline >= 0)
            return lastNewline + 1;
        return at < text.Length && lastStart > start ? lastStart : at;
    }

    /// <summary>Length of <c>'s|'t|'re|'ve|'m|'ll|'d</c> at an index, or 0.</summary>
    public static int Contraction(ReadOnlySpan<byte> text, int at, bool ignoreCase)
    {
        if (at + 1 >= text.Length || text[at] != '\'')
            return 0;
        int first = text[at + 1];
        int second = at + 2 < text.Length ? text[at + 2] : 0;
        if (ignoreCase)
        {
            // U+017F, the long s, folds to s.
            if (first == 0xC5 && second == 0xBF)
                return 3;
            first |= 0x20;
            second |= 0x20;
        }
        return (first, second) switch
        {
            ('s' or 't' or 'm' or 'd', _) => 2,
            ('r' or 'v', 'e') or ('l', 'l') => 3,
            _ => 0,
        };
    }
}
