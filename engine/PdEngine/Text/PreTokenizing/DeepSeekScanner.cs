namespace PdEngine;

/// <summary>
/// The last of DeepSeek-V3's three splits:
/// <c>[!-/:-~&amp;&amp;punctuation][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+|
/// ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+</c>; what none of these matches is a piece as well.
/// </summary>
internal sealed class DeepSeekScanner : PieceScanner
{
    private const byte Word = CodePointClass.Letter | CodePointClass.Mark;
    private const byte NoPrefix = CodePointClass.Newline | CodePointClass.Letter | CodePointClass.Symbol;

    public override bool MatchesEverything => false;

    public override int Next(ReadOnlySpan<byte> text, int start)
    {
        int at = start;
        while (at < text.Length)
        {
            if (TryMatch(text, at, out int end))
                return at == start ? end : at;
            Utf8.Classify(text, at, out int length);
            at += length;
        }
        return at;
    }

    private static bool TryMatch(ReadOnlySpan<byte> text, int start, out int end)
    {
        byte flags = Utf8.Classify(text, start, out int length);
        int at = start + length;
        bool isAsciiSymbol = length == 1 && (flags & CodePointClass.Symbol) != 0;
        if (isAsciiSymbol && at < text.Length && Scan.IsAsciiLetter(text[at]))
        {
            end = at;
            while (end < text.Length && Scan.IsAsciiLetter(text[end]))
                end++;
            return true;
        }
        end = Scan.AnyOf(text, at, Word);
        if ((flags & Word) != 0 || ((flags & NoPrefix) == 0 && end > at))
            return true;
        bool spaceFirst = text[start] == ' ';
        end = Scan.AnyOf(text, spaceFirst ? at : start, CodePointClass.Symbol);
        if (end > (spaceFirst ? at : start))
        {
            end = Scan.Newlines(text, end);
            return true;
        }
        end = start;
        if ((flags & CodePointClass.Space) == 0)
            return false;
        end = Scan.Whitespace(text, start, newlinesFirst: true);
        return true;
    }
}
