namespace PdEngine;

/// <summary>Cuts before the SentencePiece space marker U+2581.</summary>
/// <param name="keepRuns">
/// True: only where another code point stands before the marker, so that a run of markers stays in one piece.
/// </param>
internal sealed class MarkerScanner(bool keepRuns) : PieceScanner
{
    /// <summary>U+2581 in UTF-8.</summary>
    public static ReadOnlySpan<byte> Marker => "\u2581"u8;

    public override int Next(ReadOnlySpan<byte> text, int start)
    {
        int at = start;
        if (keepRuns)
        {
            while (text[at..].StartsWith(Marker))
                at += Marker.Length;
        }
        else if (text[at..].StartsWith(Marker))
        {
            at += Marker.Length;
        }
        int skip = text[at..].IndexOf(Marker);
        return skip < 0 ? text.Length : at + skip;
    }
}
