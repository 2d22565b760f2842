namespace PdEngine;

/// <summary>No pre-tokenizer: all of the text is one piece.</summary>
internal sealed class WholeScanner : PieceScanner
{
    public override int Next(ReadOnlySpan<byte> text, int start) => text.Length;
}
