namespace PdEngine;

/// <summary>
/// A worker's view of the block pool and prefix cache of its domain: where its sequences get blocks.
/// </summary>
internal sealed class KvSpace(KvBlockPool pool, RadixCache cache, bool usesCache)
{
    public int PageSize => pool.PageSize;

    /// <summary>Blocks that could be taken now, cached ones that nobody uses included.</summary>
    public int AvailableBlockCount => pool.FreeCount + cache.EvictableBlockCount;

    public int BlocksFor(int tokenCount) => pool.BlocksFor(tokenCount);

    /// <summary>What the cache would supply of a queued sequence; changes nothing.</summary>
    public PrefixMatch Peek(Sequence sequence) =>
        usesCache ? cache.Peek(sequence.Tokens, sequence.CacheableCount) : default;

    /// <summary>Gives a queued sequence its cached prefix, locked, and blocks for all its tokens.</summary>
    public void Admit(Sequence sequence)
    {
        if (usesCache)
            sequence.Prefix = cache.MatchAndLock(sequence.Tokens, sequence.CacheableCount, sequence.Blocks);
        sequence.ComputedCount = sequence.Blocks.Count * PageSize;
        bool reserved = TryReserve(sequence);
        Check.That(reserved);
    }

    /// <summary>
    /// Adds blocks until all tokens of the sequence have a place; takes none if there are too few.
    /// </summary>
    public bool TryReserve(Sequence sequence)
    {
        int wanted = BlocksFor(sequence.TokenCount) - sequence.Blocks.Count;
        if (wanted > AvailableBlockCount)
            return false;
        if (wanted > pool.FreeCount)
            cache.Evict(wanted - pool.FreeCount);
        for (; wanted > 0; wanted--)
        {
            bool taken = pool.TryTake(out int block);
            Check.That(taken);
            sequence.Blocks.Add(block);
        }
        return true;
    }

    /// <summary>Makes the sequence's computed blocks findable; it goes on holding them.</summary>
    public void Keep(Sequence sequence)
    {
        if (usesCache)
        {
            ReadOnlySpan<int> computed = sequence.Tokens[..sequence.ComputedCount];
            sequence.Prefix = cache.Insert(computed, sequence.Blocks, sequence.Prefix);
        }
    }

    /// <summary>
    /// Gives all blocks of the sequence back; those in the cache stay there until they are evicted.
    /// </summary>
    public void Release(Sequence sequence)
    {
        foreach (int block in sequence.Blocks.Blocks)
            pool.Release(block);
        sequence.Blocks.Clear();
        cache.Unlock(sequence.Prefix);
        sequence.Prefix = default;
        sequence.ComputedCount = 0;
    }
}
