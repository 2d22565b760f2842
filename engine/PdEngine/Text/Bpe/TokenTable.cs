using System.Numerics;

namespace PdEngine;

/// <summary>Token ids by the bytes they stand for. Read-only, and so shareable, once it is filled.</summary>
internal sealed class TokenTable
{
    private readonly record struct Entry(int Start, int Length, int Id, uint Hash);

    private readonly ByteBuffer _keys = new();
    private readonly List<Entry> _entries = [];
    private int[] _slots = new int[16];

    public int Count => _entries.Count;

    /// <summary>Adds a key; false where it is there already.</summary>
    public bool TryAdd(ReadOnlySpan<byte> key, int id)
    {
        ulong hash = PieceHash.Of(key);
        if (TryFind(key, hash, out _))
            return false;
        if ((_entries.Count + 1) * 2 > _slots.Length)
            Grow(_slots.Length * 2);
        _entries.Add(new Entry(_keys.Written.Length, key.Length, id, (uint)hash));
        _keys.Add(key);
        Place(_entries.Count, (uint)hash);
        return true;
    }

    /// <summary>Makes room for that many keys at once.</summary>
    public void EnsureCapacity(int keys)
    {
        int slots = (int)BitOperations.RoundUpToPowerOf2((uint)Math.Max(keys, 1) * 2);
        _entries.EnsureCapacity(keys);
        if (slots > _slots.Length)
            Grow(slots);
    }

    public bool TryFind(ReadOnlySpan<byte> key, out int id) => TryFind(key, PieceHash.Of(key), out id);

    /// <summary>Finds a key whose <see cref="PieceHash"/> is known.</summary>
    public bool TryFind(ReadOnlySpan<byte> key, ulong hash, out int id)
    {
        int mask = _slots.Length - 1;
        ReadOnlySpan<byte> keys = _keys.Written;
        for (int slot = (int)(uint)hash & mask; _slots[slot] != 0; slot = (slot + 1) & mask)
        {
            Entry entry = _entries[_slots[slot] - 1];
            if (entry.Hash == (uint)hash && key.SequenceEqual(keys.Slice(entry.Start, entry.Length)))
            {
                id = entry.Id;
                return true;
            }
        }
        id = 0;
        return false;
    }

    private void Grow(int slots)
    {
        _slots = new int[slots];
        for (int index = 0; index < _entries.Count; index++)
            Place(index + 1, _entries[index].Hash);
    }

    private void Place(int number, uint hash)
    {
        int mask = _slots.Length - 1;
        int slot = (int)hash & mask;
        while (_slots[slot] != 0)
            slot = (slot + 1) & mask;
        _slots[slot] = number;
    }
}
