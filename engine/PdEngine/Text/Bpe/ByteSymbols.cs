namespace PdEngine;

/// <summary>
/// Byte-level BPE: each byte is a symbol; a byte without a token is the unknown token, or nothing.
/// </summary>
internal sealed class ByteSymbols : ISymbols
{
    private const int None = -1;

    private readonly int[] _ids = new int[256];
    private readonly UnknownToken _unknown;

    public ByteSymbols(TokenTable pieces, UnknownToken unknown)
    {
        _unknown = unknown;
        for (int value = 0; value < _ids.Length; value++)
            _ids[value] = pieces.TryFind([(byte)value], out int id) ? id : None;
        IsComplete = !_ids.Contains(None);
    }

    /// <summary>Whether all 256 bytes have a token.</summary>
    public bool IsComplete { get; }

    public int Split(ReadOnlySpan<byte> piece, Span<int> ids)
    {
        int count = 0;
        bool afterUnknown = false;
        foreach (byte value in piece)
        {
            int id = _ids[value];
            bool isUnknown = id == None;
            if (!isUnknown)
                ids[count++] = id;
            else if (_unknown.Id is { } unknown && !(_unknown.Fuse && afterUnknown))
                ids[count++] = unknown;
            afterUnknown = isUnknown;
        }
        return count;
    }

    public bool TrySingle(byte piece, out int id)
    {
        id = _ids[piece];
        return id != None;
    }
}
