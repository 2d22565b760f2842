namespace PdEngine;

/// <summary>
/// Ids of pieces seen lately, by one thread at a time. Direct-mapped; a hit compares the piece's bytes.
/// </summary>
internal sealed class PieceCache
{
    /// <summary>Longest piece that is kept.</summary>
    public const int MaxPieceBytes = 32;

    /// <summary>Most ids that are kept for one piece.</summary>
    public const int MaxIds = 8;

    private const int FirstSlots = 1 << 10;
    private const int MaxSlots = 1 << 15;

    private readonly record struct Slot(uint Hash, byte Length, byte Ids);

    private Slot[] _slots = new Slot[FirstSlots];
    private byte[] _pieces = new byte[FirstSlots * MaxPieceBytes];
    private int[] _ids = new int[FirstSlots * MaxIds];
    private int _stored;

    public bool TryFind(ReadOnlySpan<byte> piece, ulong hash, out ReadOnlySpan<int> ids)
    {
        int index = Index(hash);
        Slot slot = _slots[index];
        if (slot.Length == piece.Length && slot.Hash == (uint)hash
            && piece.SequenceEqual(_pieces.AsSpan(index * MaxPieceBytes, slot.Length)))
        {
            ids = _ids.AsSpan(index * MaxIds, slot.Ids);
            return true;
        }
        ids = default;
        return false;
    }

    /// <summary>Keeps a piece where it is short enough, in place of whatever has its slot.</summary>
    public void Store(ReadOnlySpan<byte> piece, ulong hash, ReadOnlySpan<int> ids)
    {
        if (piece.Length > MaxPieceBytes || ids.Length > MaxIds)
            return;
        if (++_stored > _slots.Length && _slots.Length < MaxSlots)
            Grow();
        int index = Index(hash);
        _slots[index] = new Slot((uint)hash, (byte)piece.Length, (byte)ids.Length);
        piece.CopyTo(_pieces.AsSpan(index * MaxPieceBytes));
        ids.CopyTo(_ids.AsSpan(index * MaxIds));
    }

    // Starts small, since most tokenizers of a test or a short prompt never need more.
    private void Grow()
    {
        int slots = Math.Min(_slots.Length * 8, MaxSlots);
        _slots = new Slot[slots];
        _pieces = new byte[slots * MaxPieceBytes];
        _ids = new int[slots * MaxIds];
        _stored = 0;
    }

    private int Index(ulong hash) => (int)(hash >> 40) & (_slots.Length - 1);
}
