namespace PdEngine;

/// <summary><c>[一-龥぀-ゟ゠-ヿ]+</c> (U+4E00 to U+9FA5, U+3040 to U+30FF) cut out of what surrounds it.</summary>
internal sealed class CjkScanner : PieceScanner
{
    public override bool MatchesEverything => false;

    public override int Next(ReadOnlySpan<byte> text, int start)
    {
        int at = start;
        bool inside = IsCjk(text, at);
        if (inside)
        {
            while (at < text.Length && IsCjk(text, at))
                at += 3;
            return at;
        }
        while (at < text.Length)
        {
            int skip = text[at..].IndexOfAnyInRange((byte)0xE3, (byte)0xE9);
            if (skip < 0)
                return text.Length;
            at += skip;
            if (IsCjk(text, at))
                return at;
            at += 3;
        }
        return at;
    }

    private static bool IsCjk(ReadOnlySpan<byte> text, int at) =>
        text[at] is >= 0xE3 and <= 0xE9
        && Utf8.Decode(text, at, out _) is (>= 0x4E00 and <= 0x9FA5) or (>= 0x3040 and <= 0x30FF);
}
