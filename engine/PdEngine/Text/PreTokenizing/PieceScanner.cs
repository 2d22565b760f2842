namespace PdEngine;

/// <summary>
/// One pre-tokenizer pattern, written out by hand: it cuts text into pieces that no token crosses.
/// </summary>
/// <remarks>
/// .NET's Regex is no stand-in: it works on UTF-16, where \p{L} never matches beyond U+FFFF, and lacks
/// possessive
/// quantifiers.
/// </remarks>
internal abstract class PieceScanner
{
    /// <summary>
    /// Whether each piece is a match of the pattern, so that dropping unmatched text drops nothing.
    /// </summary>
    public virtual bool MatchesEverything => true;

    /// <summary>
    /// End of the piece that begins at <paramref name="start"/>, which is before the text's end.
    /// </summary>
    public abstract int Next(ReadOnlySpan<byte> text, int start);
}
