namespace PdEngine;

/// <summary>
/// Byte-pair encoding of one piece: symbols, then merges by rank, with shortcuts that change nothing.
/// </summary>
internal sealed class BpeModel
{
    private const int ShortPieceBytes = 64;

    private readonly TokenTable _pieces;
    private readonly MergeTable _merges;
    private readonly ISymbols _symbols;
    private readonly bool _ignoreMerges;

    /// <summary>
    /// 1 where an entry's own bytes are known to merge into that entry. Threads may write the same 1 at once;
    /// a 0
    /// read too late only costs a merge.
    /// </summary>
    private readonly byte[] _mergesIntoItself;

    /// <param name="pieces">Ids by the bytes of a whole piece.</param>
    /// <param name="merges">The merges.</param>
    /// <param name="symbols">How a piece is cut into first symbols.</param>
    /// <param name="ignoreMerges">
    /// Whether a piece in the vocabulary is one token whatever the merges say.
    /// </param>
    /// <param name="idLimit">One more than the largest id.</param>
    public BpeModel(TokenTable pieces, MergeTable merges, ISymbols symbols, bool ignoreMerges, int idLimit)
    {
        _pieces = pieces;
        _merges = merges;
        _symbols = symbols;
        _ignoreMerges = ignoreMerges;
        _mergesIntoItself = new byte[idLimit];
    }

    /// <summary>Adds the ids of one non-empty piece to the scratch.</summary>
    public void Encode(ReadOnlySpan<byte> piece, EncodeScratch scratch)
    {
        if (piece.Length == 1 && _symbols.TrySingle(piece[0], out int single))
        {
            scratch.Add(single);
            return;
        }
        ulong hash = PieceHash.Of(piece);
        if (scratch.Cache.TryFind(piece, hash, out ReadOnlySpan<int> known))
        {
            scratch.Add(known);
            return;
        }
        int start = scratch.Count;
        bool isEntry = _pieces.TryFind(piece, hash, out int entry);
        if (isEntry && (_ignoreMerges || _mergesIntoItself[entry] != 0))
        {
            scratch.Add(entry);
        }
        else
        {
            Merge(piece, scratch);
            if (isEntry && scratch.Count == start + 1 && scratch.Ids[start] == entry)
                _mergesIntoItself[entry] = 1;
        }
        scratch.Cache.Store(piece, hash, scratch.Ids[start..]);
    }

    private void Merge(ReadOnlySpan<byte> piece, EncodeScratch scratch)
    {
        if (piece.Length > ShortPieceBytes)
        {
            int count = _symbols.Split(piece, scratch.LongPieces.Symbols(piece.Length));
            scratch.LongPieces.Merge(count, _merges, scratch);
            return;
        }
        Span<int> ids = stackalloc int[ShortPieceBytes];
        ids = ids[..MergeShort(ids[.._symbols.Split(piece, ids)])];
        scratch.Add(ids);
    }

    // Few symbols: looking at every rank for each merge beats any heap.
    private int MergeShort(Span<int> ids)
    {
        Span<int> ranks = stackalloc int[ShortPieceBytes];
        Span<int> merged = stackalloc int[ShortPieceBytes];
        int pairs = ids.Length - 1;
        for (int at = 0; at < pairs; at++)
            ranks[at] = _merges.Rank(ids[at], ids[at + 1], out merged[at]);
        while (pairs > 0)
        {
            int best = MergeTable.NoMerge;
            int at = 0;
            for (int pair = 0; pair < pairs; pair++)
            {
                if (ranks[pair] < best)
                {
                    best = ranks[pair];
                    at = pair;
                }
            }
            if (best == MergeTable.NoMerge)
                break;
            ids[at] = merged[at];
            int moved = pairs - at - 1;
            ids.Slice(at + 2, moved).CopyTo(ids[(at + 1)..]);
            ranks.Slice(at + 1, moved).CopyTo(ranks[at..]);
            merged.Slice(at + 1, moved).CopyTo(merged[at..]);
            pairs--;
            if (at < pairs)
                ranks[at] = _merges.Rank(ids[at], ids[at + 1], out merged[at]);
            if (at > 0)
                ranks[at - 1] = _merges.Rank(ids[at - 1], ids[at], out merged[at - 1]);
        }
        return pairs + 1;
    }
}
