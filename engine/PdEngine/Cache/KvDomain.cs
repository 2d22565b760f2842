namespace PdEngine;

/// <summary>
/// The blocks and the prefix cache of one set of memory domains, shared by every worker on it. All of it is
/// guarded by <see cref="Gate"/>, which is held for bookkeeping only.
/// </summary>
internal sealed class KvDomain
{
    private readonly HashSet<KvHold> _holds = [];
    private readonly List<object> _admissionTurns = [];
    private object? _claimant;

    public KvDomain(int blockCount, int pageSize)
    {
        Pool = new(blockCount, pageSize);
        Cache = new(Pool);
    }

    public Lock Gate { get; } = new();

    public KvBlockPool Pool { get; }

    public RadixCache Cache { get; }

    /// <summary>Number of the weights that the cached K and V were computed with.</summary>
    public int Epoch { get; private set; }

    /// <summary>Holds that have blocks.</summary>
    public int HolderCount => _holds.Count;

    /// <summary>Blocks that running sequences of all workers are expected to take yet.</summary>
    public long ExpectedBlocks { get; set; }

    /// <summary>Workers that take blocks here.</summary>
    public int WorkerCount { get; set; }

    /// <summary>Blocks that could be taken now, cached ones that nobody uses included.</summary>
    public int AvailableBlockCount => Pool.FreeCount + Cache.EvictableBlockCount;

    public void Add(KvHold hold) => _holds.Add(hold);

    /// <summary>
    /// The workers compute with other weights from now on: no prefix of before is found any more. What holds
    /// have stays.
    /// </summary>
    public void BeginEpoch(int number)
    {
        Check.That(number > Epoch);
        Epoch = number;
        Cache.Renew();
    }

    /// <summary>A leak shows when nobody holds anything: only the cache may hold blocks then.</summary>
    public void Remove(KvHold hold)
    {
        bool removed = _holds.Remove(hold);
        Check.That(removed);
        Check.That(HolderCount > 0
            || (Pool.UsedCount == Cache.BlockCount && Cache.LockedBlockCount == 0));
    }

    /// <summary>Who holds how many blocks.</summary>
    /// <param name="passedBlocks">Of sequences on their way to another worker of this domain.</param>
    public PoolView View(int passedBlocks)
    {
        lock (Gate)
        {
            int lent = passedBlocks;
            foreach (KvHold hold in _holds)
                lent += hold.Loan?.Count ?? 0;
            int cached = Cache.EvictableBlockCount;
            int held = Pool.BlockCount - Pool.FreeCount - cached;
            return new()
            {
                TotalBlocks = Pool.BlockCount, FreeBlocks = Pool.FreeCount, CachedBlocks = cached,
                InFlightBlocks = Math.Min(lent, held), PageSize = Pool.PageSize,
            };
        }
    }

    /// <summary>Checks every count of the pool and the cache against who holds what.</summary>
    public void CheckConservation()
    {
        int[] holderCounts = new int[Pool.BlockCount];
        foreach (KvHold hold in _holds)
        {
            Count(hold.Blocks.Blocks, holderCounts);
            if (hold.Loan is { } loan)
                Count(loan.Blocks, holderCounts);
        }
        Cache.CheckConsistency(holderCounts);
        Pool.CheckConservation(holderCounts);
    }

    /// <summary>Takes a block, evicting a cached one where none is free.</summary>
    public int Take()
    {
        if (Pool.FreeCount == 0)
            Cache.Evict(1);
        bool taken = Pool.TryTake(out int block);
        Check.That(taken);
        return block;
    }

    /// <summary>
    /// Whether a worker may take blocks at all: one that has a single sequence left and cannot go on has
    /// claimed whatever becomes free until it can.
    /// </summary>
    public bool MayTake(object worker) => _claimant is null || _claimant == worker;

    /// <summary>Claims what becomes free; false where another has.</summary>
    public bool TryClaim(object worker)
    {
        _claimant ??= worker;
        return _claimant == worker;
    }

    /// <summary>Whether it is this worker's turn to admit: those that had to wait go first.</summary>
    public bool MayAdmit(object worker) => _admissionTurns.Count == 0 || _admissionTurns[0] == worker;

    /// <summary>Queues a worker whose next sequence does not fit now.</summary>
    public void AwaitTurn(object worker)
    {
        if (!_admissionTurns.Contains(worker))
            _admissionTurns.Add(worker);
    }

    /// <summary>The worker no longer waits to admit.</summary>
    public void LeaveTurn(object worker) => _admissionTurns.Remove(worker);

    private static void Count(ReadOnlySpan<int> blocks, int[] holderCounts)
    {
        foreach (int block in blocks)
            holderCounts[block]++;
    }

    /// <summary>The worker no longer claims.</summary>
    public void EndClaim(object worker)
    {
        if (_claimant == worker)
            _claimant = null;
    }
}
