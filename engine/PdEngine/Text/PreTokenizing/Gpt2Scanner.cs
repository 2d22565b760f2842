namespace PdEngine;

/// <summary>
/// <c>'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+</c>
/// </summary>
internal sealed class Gpt2Scanner : PieceScanner
{
    public override int Next(ReadOnlySpan<byte> text, int start)
    {
        int contraction = Scan.Contraction(text, start, ignoreCase: false);
        if (contraction > 0)
            return start + contraction;
        int at = start;
        if (text[start] == ' ' && start + 1 < text.Length)
            at++;
        byte flags = Utf8.Classify(text, at, out int length);
        if ((flags & CodePointClass.Space) != 0)
            return Scan.Whitespace(text, start, newlinesFirst: false);
        at += length;
        if ((flags & CodePointClass.Letter) != 0)
            return Scan.Letters(text, at);
        return (flags & CodePointClass.Number) != 0
            ? Scan.AnyOf(text, at, CodePointClass.Number)
            : Scan.NoneOf(text, at, CodePointClass.Space | CodePointClass.Letter | CodePointClass.Number);
    }
}
