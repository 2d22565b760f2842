namespace PdEngine;

/// <summary>
/// Which KV blocks are in use and by how many holders: ids and counts, never bytes. A holder is a sequence's
/// block table or the prefix cache; a block is free again when its last holder lets go.
/// </summary>
internal sealed class KvBlockPool
{
    private readonly int[] _references;
    private readonly int[] _free;

    public KvBlockPool(int blockCount, int pageSize)
    {
        Check.That(blockCount > 0);
        Check.That(pageSize is >= 1 and <= 256 && int.IsPow2(pageSize));
        PageSize = pageSize;
        _references = new int[blockCount];
        _free = new int[blockCount];
        for (int i = 0; i < blockCount; i++)
            _free[i] = blockCount - 1 - i;
        FreeCount = blockCount;
    }

    /// <summary>Positions per block.</summary>
    public int PageSize { get; }

    public int BlockCount => _references.Length;

    public int FreeCount { get; private set; }

    public int UsedCount => BlockCount - FreeCount;

    /// <summary>Blocks that hold this many positions.</summary>
    public int BlocksFor(int tokenCount) => (tokenCount + PageSize - 1) / PageSize;

    public int ReferenceCount(int block) => _references[block];

    /// <summary>Takes a free block with one reference; false when none is free.</summary>
    public bool TryTake(out int block)
    {
        if (FreeCount == 0)
        {
            block = 0;
            return false;
        }
        block = _free[--FreeCount];
        Check.That(_references[block] == 0);
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
        if (--_references[block] == 0)
            _free[FreeCount++] = block;
    }

    /// <summary>
    /// Every block must have exactly as many references as it has holders, and be free at none.
    /// </summary>
    /// <param name="holderCounts">How many tables and caches hold each block [BlockCount].</param>
    public void CheckConservation(ReadOnlySpan<int> holderCounts)
    {
        Check.That(holderCounts.SequenceEqual(_references));
        Check.That(FreeCount == holderCounts.Count(0));
    }
}
