namespace PdEngine;

/// <summary>What one thread needs while it encodes; kept in the tokenizer's pool between calls.</summary>
internal sealed class EncodeScratch
{
    private const int MaxKeptBytes = 16 << 20;

    private int[] _ids = new int[256];

    public PieceCache Cache { get; } = new();

    public LongPieceMerger LongPieces { get; } = new();

    /// <summary>The text in UTF-8.</summary>
    public ByteBuffer Text { get; } = new();

    /// <summary>Where normalizer steps write, by turns.</summary>
    public ByteBuffer[] Normalized { get; } = [new(), new()];

    /// <summary>Where the Metaspace rule writes.</summary>
    public ByteBuffer Marked { get; } = new();

    public int Count { get; private set; }

    public ReadOnlySpan<int> Ids => _ids.AsSpan(0, Count);

    /// <summary>Whether what is held is small enough to be kept for the next call.</summary>
    public bool IsWorthKeeping =>
        (long)Text.Capacity + Normalized[0].Capacity + Normalized[1].Capacity + Marked.Capacity
        + 4L * _ids.Length + LongPieces.HeldBytes <= MaxKeptBytes;

    public void Clear() => Count = 0;

    public void Add(int id)
    {
        if (Count == _ids.Length)
            Array.Resize(ref _ids, Count * 2);
        _ids[Count++] = id;
    }

    public void Add(ReadOnlySpan<int> ids)
    {
        if (Count + ids.Length > _ids.Length)
            Array.Resize(ref _ids, Math.Max(_ids.Length * 2, Count + ids.Length));
        ids.CopyTo(_ids.AsSpan(Count));
        Count += ids.Length;
    }
}
