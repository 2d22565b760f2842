namespace PdEngine;

/// <summary>
/// GPT-4o and gpt-oss, with U = <c>[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]</c>, V = <c>[\p{Ll}\p{Lm}\p{Lo}\p{M}]</c>
/// and
/// C = <c>(?i:'s|'t|'re|'ve|'m|'ll|'d)?</c>: <c>[^\r\n\p{L}\p{N}]?U*V+C|[^\r\n\p{L}\p{N}]?U+V*C|\p{N}{1,3}|
/// ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+</c>
/// </summary>
internal sealed class O200kScanner : PieceScanner
{
    private const byte NotOther = CodePointClass.Space | CodePointClass.Letter | CodePointClass.Number;
    private const byte NoPrefix = CodePointClass.Newline | CodePointClass.Letter | CodePointClass.Number;

    public override int Next(ReadOnlySpan<byte> text, int start)
    {
        byte flags = Utf8.Classify(text, start, out int length);
        int at = start + length;
        bool mayBePrefix = (flags & NoPrefix) == 0;
        if ((mayBePrefix && TryLowerWord(text, at, out int end)) || TryLowerWord(text, start, out end)
            || (mayBePrefix && TryUpperWord(text, at, out end)) || TryUpperWord(text, start, out end))
            return end + Scan.Contraction(text, end, ignoreCase: true);
        if ((flags & CodePointClass.Number) != 0)
            return Scan.AnyOf(text, at, CodePointClass.Number, 2);
        bool spaceFirst = text[start] == ' ' && at < text.Length;
        byte first = spaceFirst ? Utf8.Classify(text, at, out _) : flags;
        if ((first & NotOther) == 0)
            return Scan.Newlines(text, Scan.NoneOf(text, at, NotOther), orSlash: true);
        return Scan.Whitespace(text, start, newlinesFirst: true);
    }

    // U*V+: where nothing of V follows the greedy U*, it gives back down to its last code point that is also
    // in V.
    private static bool TryLowerWord(ReadOnlySpan<byte> text, int start, out int end)
    {
        int at = start;
        int behindLastLower = -1;
        byte flags;
        while (((flags = Utf8.Classify(text, at, out int length)) & CodePointClass.UpperLike) != 0)
        {
            at += length;
            if ((flags & CodePointClass.LowerLike) != 0)
                behindLastLower = at;
        }
        end = Scan.AnyOf(text, at, CodePointClass.LowerLike);
        if (end == at)
            end = behindLastLower;
        return end >= 0;
    }

    private static bool TryUpperWord(ReadOnlySpan<byte> text, int start, out int end)
    {
        int upper = Scan.AnyOf(text, start, CodePointClass.UpperLike);
        end = Scan.AnyOf(text, upper, CodePointClass.LowerLike);
        return upper > start;
    }
}
