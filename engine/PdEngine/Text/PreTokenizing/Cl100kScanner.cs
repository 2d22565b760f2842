namespace PdEngine;

/// <summary>
/// Qwen and Llama-3: <c>(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,most}|
/// ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+</c>
/// </summary>
internal sealed class Cl100kScanner(int mostDigits) : PieceScanner
{
    private const byte NotOther = CodePointClass.Space | CodePointClass.Letter | CodePointClass.Number;

    public override int Next(ReadOnlySpan<byte> text, int start)
    {
        int contraction = Scan.Contraction(text, start, ignoreCase: true);
        if (contraction > 0)
            return start + contraction;
        byte flags = Utf8.Classify(text, start, out int length);
        int at = start + length;
        if ((flags & CodePointClass.Letter) != 0)
            return Scan.Letters(text, at);
        if ((flags & CodePointClass.Number) != 0)
            return Scan.AnyOf(text, at, CodePointClass.Number, mostDigits - 1);
        byte following = Utf8.Classify(text, at, out int followingLength);
        if ((flags & CodePointClass.Newline) == 0 && (following & CodePointClass.Letter) != 0)
            return Scan.Letters(text, at + followingLength);
        bool spaceFirst = text[start] == ' ' && at < text.Length;
        if (((spaceFirst ? following : flags) & NotOther) == 0)
            return Scan.Newlines(text, Scan.NoneOf(text, at, NotOther));
        return Scan.Whitespace(text, start, newlinesFirst: true);
    }
}
