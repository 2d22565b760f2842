namespace PdEngine;

/// <summary>Cuts a piece into the symbols that merging starts from.</summary>
internal interface ISymbols
{
    /// <summary>Writes a piece's symbols and returns how many: at most one for each byte.</summary>
    int Split(ReadOnlySpan<byte> piece, Span<int> ids);

    /// <summary>The id of a piece of one byte, where that needs no look at anything else.</summary>
    bool TrySingle(byte piece, out int id);
}
