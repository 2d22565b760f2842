using System.Numerics;

namespace PdEngine;

/// <summary>Which two adjacent tokens join, into what, and how early; read-only once it is filled.</summary>
internal sealed class MergeTable
{
    /// <summary>Rank of a pair that does not join.</summary>
    public const int NoMerge = int.MaxValue;

    private readonly record struct Merge(ulong Pair, int Rank, int Merged);

    private const ulong Empty = ulong.MaxValue;

    private readonly Merge[] _slots;
    private readonly int _shift;

    /// <summary>A table for at most <paramref name="merges"/> pairs.</summary>
    public MergeTable(int merges)
    {
        int bits = Math.Max(4, 1 + BitOperations.Log2((uint)Math.Max(merges, 1) * 2));
        _slots = new Merge[1 << bits];
        _shift = 64 - bits;
        Array.Fill(_slots, new Merge(Empty, NoMerge, 0));
    }

    /// <summary>Sets a pair's merge; of several merges of one pair the last one counts.</summary>
    public void Set(int left, int right, int rank, int merged)
    {
        ulong pair = Key(left, right);
        int slot = Slot(pair);
        while (_slots[slot].Pair != Empty && _slots[slot].Pair != pair)
            slot = (slot + 1) & (_slots.Length - 1);
        _slots[slot] = new Merge(pair, rank, merged);
    }

    /// <summary>Rank of a pair's merge, lower first, or <see cref="NoMerge"/>.</summary>
    public int Rank(int left, int right, out int merged)
    {
        ulong pair = Key(left, right);
        Merge[] slots = _slots;
        int slot = Slot(pair);
        while (true)
        {
            ref readonly Merge candidate = ref slots[slot];
            if (candidate.Pair == pair || candidate.Pair == Empty)
            {
                merged = candidate.Merged;
                return candidate.Rank;
            }
            slot = (slot + 1) & (slots.Length - 1);
        }
    }

    private static ulong Key(int left, int right) => (ulong)(uint)left << 32 | (uint)right;

    private int Slot(ulong pair) => (int)((pair ^ (pair >> 29)) * 0x9E3779B97F4A7C15 >> _shift);
}
