namespace PdEngine;

/// <summary>
/// Which KV blocks are in use and by how many holders: ids and counts, never bytes. A holder is a sequence's
/// block table, a loan or the prefix cache; a block is free again when its last holder lets go and nobody
/// writes into it any longer. Not thread-safe: where several workers share it, <see cref="KvDomain.Gate"/>
/// guards it.
/// </summary>
internal sealed class KvBlockPool
{
    private readonly int[] _references;
    private readonly int[] _writers;
    private readonly int[] _generations;
    private readonly int[] _free;

    public KvBlockPool(int blockCount, int pageSize)
    {
        Check.That(blockCount > 0);
        Check.That(pageSize is >= 1 and <= 256 && int.IsPow2(pageSize));
        PageSize = pageSize;
        _references = new int[blockCount];
        _writers = new int[blockCount];
        _generations = new int[blockCount];
        _free = new int[blockCount];
        for (int i = 0; i < blockCount; i++)
            _free[i] = blockCount - 1 - i;
        FreeCount = blockCount;
    }

    /// <summary>Positions per block.</summary>
    public int PageSize { get; }

    public int BlockCount => _references.Length;

    public int FreeCount { get; private set; }

    /// <summary>Blocks that nobody holds but a writer that outlived its sequence may still touch.</summary>
    public int QuarantinedCount { get; private set; }

    public int UsedCount => BlockCount - FreeCount - QuarantinedCount;

    /// <summary>Blocks that hold this many positions.</summary>
    public int BlocksFor(int tokenCount) => (tokenCount + PageSize - 1) / PageSize;

    public int ReferenceCount(int block) => _references[block];

    /// <summary>How often the block has been given back: tells one use of it from the next.</summary>
    public int Generation(int block) => _generations[block];

    /// <summary>Takes a free block with one reference; false when none is free.</summary>
    public bool TryTake(out int block)
    {
        if (FreeCount == 0)
        {
            block = 0;
            return false;
        }
        block = _free[--FreeCount];
        Check.That(_references[block] == 0 && _writers[block] == 0);
        _references[block] = 1;
        return true;
    }

    public void AddReference(int block)
    {
        Check.That(_references[block] > 0);
        _references[block]++;
    }

    public void Release(int block)
    {
        Check.That(_references[block] > 0);
        if (--_references[block] > 0)
            return;
        if (_writers[block] > 0)
            QuarantinedCount++;
        else
            Free(block);
    }

    /// <summary>Announces a write into a held block: until it ends nobody else gets the block.</summary>
    /// <returns>The block's generation, to be shown at the end.</returns>
    public int BeginWrite(int block)
    {
        Check.That(_references[block] > 0);
        _writers[block]++;
        return _generations[block];
    }

    /// <summary>Ends a write; a writer whose block has meanwhile become another's is a bug.</summary>
    public void EndWrite(int block, int generation)
    {
        Check.That(_writers[block] > 0 && _generations[block] == generation);
        if (--_writers[block] > 0 || _references[block] > 0)
            return;
        QuarantinedCount--;
        Free(block);
    }

    /// <summary>
    /// Every block must have exactly as many references as it has holders, and be free at none.
    /// </summary>
    /// <param name="holderCounts">How many tables, loans and caches hold each block [BlockCount].</param>
    public void CheckConservation(ReadOnlySpan<int> holderCounts)
    {
        Check.That(holderCounts.SequenceEqual(_references));
        Check.That(FreeCount + QuarantinedCount == holderCounts.Count(0));
    }

    private void Free(int block)
    {
        _generations[block]++;
        _free[FreeCount++] = block;
    }
}
