namespace PdEngine;

/// <summary>Token strings by id, in UTF-8 as the file spells them.</summary>
internal sealed class TokenTexts
{
    private const int None = -1;
    private const int SpareIds = 65_536;

    private readonly ByteBuffer _texts = new();
    private readonly List<(int Id, int Start, int Length)> _entries = [];
    private int[] _entryOf = [];

    /// <summary>Tokens there are.</summary>
    public int Count => _entries.Count;

    /// <summary>One more than the largest id; after <see cref="Index"/>.</summary>
    public int IdLimit => _entryOf.Length;

    public void Add(ReadOnlySpan<byte> text, int id)
    {
        _entries.Add((id, _texts.Written.Length, text.Length));
        _texts.Add(text);
    }

    /// <summary>Makes ids searchable once all tokens are added.</summary>
    /// <exception cref="CheckpointException">
    /// An id is negative, given twice, or far beyond the number of tokens.
    /// </exception>
    public void Index(string path)
    {
        int limit = 0;
        foreach ((int id, _, _) in _entries)
        {
            if (id < 0 || id >= 4L * _entries.Count + SpareIds)
            {
                throw new CheckpointException(path,
                    $"token id {id} does not fit a vocabulary of {_entries.Count} tokens; ids count from 0");
            }
            limit = Math.Max(limit, id + 1);
        }
        _entryOf = new int[limit];
        Array.Fill(_entryOf, None);
        for (int index = 0; index < _entries.Count; index++)
        {
            int id = _entries[index].Id;
            if (_entryOf[id] != None)
                throw new CheckpointException(path, $"two tokens have the id {id}");
            _entryOf[id] = index;
        }
    }

    public bool Has(int id) => (uint)id < (uint)_entryOf.Length && _entryOf[id] != None;

    /// <summary>Id of a token by its string, looking at each: for the few that have a role.</summary>
    public int? Find(ReadOnlySpan<byte> text)
    {
        foreach ((int id, int start, int length) in _entries)
        {
            if (_texts.Written.Slice(start, length).SequenceEqual(text))
                return id;
        }
        return null;
    }

    /// <summary>A token's string; empty where there is no such token.</summary>
    public ReadOnlySpan<byte> Text(int id)
    {
        if (!Has(id))
            return default;
        (_, int start, int length) = _entries[_entryOf[id]];
        return _texts.Written.Slice(start, length);
    }
}
