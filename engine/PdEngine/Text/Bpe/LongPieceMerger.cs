namespace PdEngine;

/// <summary>
/// Merges in O(n log n) with a heap over a linked list, for pieces where a scan per merge would be slow.
/// </summary>
internal sealed class LongPieceMerger
{
    private int[] _ids = [];
    private int[] _next = [];
    private int[] _previous = [];
    private int[] _ranks = [];
    private int[] _merged = [];
    private readonly MinHeap _heap = new();

    public long HeldBytes => 20L * _ids.Length + _heap.HeldBytes;

    /// <summary>Room for a piece's symbols, before <see cref="Merge"/>.</summary>
    public Span<int> Symbols(int most)
    {
        if (_ids.Length < most)
        {
            int size = Math.Max(most, _ids.Length * 2);
            _ids = new int[size];
            _next = new int[size];
            _previous = new int[size];
            _ranks = new int[size];
            _merged = new int[size];
        }
        return _ids.AsSpan(0, most);
    }

    /// <summary>
    /// Merges the first <paramref name="count"/> symbols and adds what remains to the scratch.
    /// </summary>
    public void Merge(int count, MergeTable merges, EncodeScratch output)
    {
        _heap.Clear();
        for (int at = 0; at < count; at++)
        {
            _next[at] = at + 1 < count ? at + 1 : -1;
            _previous[at] = at - 1;
            _ranks[at] = MergeTable.NoMerge;
            if (at + 1 < count)
                Rate(at, at + 1, merges);
        }
        _heap.Order();
        while (_heap.TryPop(out ulong key))
        {
            int at = (int)(uint)key;
            // A pair that has changed since has another rank, or none; its old entry means nothing.
            if (_ranks[at] == (int)(key >> 32))
                Join(at, merges);
        }
        for (int at = 0; at >= 0 && count > 0; at = _next[at])
            output.Add(_ids[at]);
    }

    private void Join(int at, MergeTable merges)
    {
        int gone = _next[at];
        int following = _next[gone];
        _ids[at] = _merged[at];
        _ranks[gone] = MergeTable.NoMerge;
        _ranks[at] = MergeTable.NoMerge;
        _next[at] = following;
        if (following >= 0)
        {
            _previous[following] = at;
            if (Rate(at, following, merges))
                _heap.RaiseLast();
        }
        int before = _previous[at];
        if (before >= 0)
        {
            _ranks[before] = MergeTable.NoMerge;
            if (Rate(before, at, merges))
                _heap.RaiseLast();
        }
    }

    private bool Rate(int left, int right, MergeTable merges)
    {
        int rank = merges.Rank(_ids[left], _ids[right], out _merged[left]);
        _ranks[left] = rank;
        if (rank == MergeTable.NoMerge)
            return false;
        _heap.Append((ulong)(uint)rank << 32 | (uint)left);
        return true;
    }
}
