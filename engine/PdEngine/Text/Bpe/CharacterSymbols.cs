namespace PdEngine;

/// <summary>
/// SentencePiece style: each code point is a symbol; one without a token becomes its UTF-8 bytes' tokens.
/// </summary>
internal sealed class CharacterSymbols : ISymbols
{
    private const int None = -1;

    private readonly TokenTable _pieces;
    private readonly UnknownToken _unknown;
    private readonly int[] _asciiIds = new int[128];
    private readonly int[]? _byteIds;

    /// <param name="pieces">Ids by token text.</param>
    /// <param name="byteFallback">Whether tokens <c>&lt;0x00&gt;</c> to <c>&lt;0xFF&gt;</c> stand in.</param>
    /// <param name="unknown">What is left where even those are missing.</param>
    public CharacterSymbols(TokenTable pieces, bool byteFallback, UnknownToken unknown)
    {
        _pieces = pieces;
        _unknown = unknown;
        for (int value = 0; value < _asciiIds.Length; value++)
            _asciiIds[value] = pieces.TryFind([(byte)value], out int id) ? id : None;
        if (!byteFallback)
            return;
        _byteIds = new int[256];
        for (int value = 0; value < _byteIds.Length; value++)
            _byteIds[value] = pieces.TryFind(ByteToken.Text((byte)value), out int id) ? id : None;
    }

    public int Split(ReadOnlySpan<byte> piece, Span<int> ids)
    {
        int count = 0;
        bool afterUnknown = false;
        for (int at = 0; at < piece.Length;)
        {
            Utf8.Decode(piece, at, out int length);
            ReadOnlySpan<byte> character = piece.Slice(at, length);
            at += length;
            int id = length == 1 ? _asciiIds[character[0]] : None;
            if (id != None || (length > 1 && _pieces.TryFind(character, out id)))
            {
                ids[count++] = id;
                afterUnknown = false;
            }
            else if (HasBytes(character))
            {
                foreach (byte value in character)
                    ids[count++] = _byteIds![value];
                afterUnknown = false;
            }
            else
            {
                if (_unknown.Id is { } unknown && !(_unknown.Fuse && afterUnknown))
                    ids[count++] = unknown;
                afterUnknown = true;
            }
        }
        return count;
    }

    public bool TrySingle(byte piece, out int id)
    {
        id = piece < _asciiIds.Length ? _asciiIds[piece] : None;
        return id != None;
    }

    private bool HasBytes(ReadOnlySpan<byte> character)
    {
        if (_byteIds is null)
            return false;
        foreach (byte value in character)
        {
            if (_byteIds[value] == None)
                return false;
        }
        return true;
    }
}
