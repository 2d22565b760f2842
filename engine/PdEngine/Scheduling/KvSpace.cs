namespace PdEngine;

/// <summary>
/// A worker's view of the blocks and prefix cache of its domain: where its sequences get blocks, within the
/// worker's quota. Any thread may call it.
/// </summary>
internal sealed class KvSpace
{
    private readonly KvDomain _domain;
    private readonly KvQuota _quota;
    private readonly bool _usesCache;
    private long _expectedBlocks;

    /// <param name="domain">Whose blocks.</param>
    /// <param name="quotaBlocks">Most blocks charged to this worker; null is the whole pool.</param>
    /// <param name="usesCache">Prefixes are read from and written to the cache.</param>
    public KvSpace(KvDomain domain, int? quotaBlocks, bool usesCache)
    {
        _domain = domain;
        _quota = new(Math.Min(quotaBlocks ?? int.MaxValue, domain.Pool.BlockCount));
        _usesCache = usesCache;
        lock (domain.Gate)
            domain.WorkerCount++;
    }

    public KvDomain Domain => _domain;

    public int PageSize => _domain.Pool.PageSize;

    /// <summary>Prefixes are read from and written to the cache.</summary>
    public bool UsesCache => _usesCache;

    /// <summary>Most blocks that this worker can ever have.</summary>
    public int CapacityBlocks => _quota.LimitBlocks;

    public int ChargedBlocks
    {
        get
        {
            lock (_domain.Gate)
                return _quota.ChargedBlocks;
        }
    }

    /// <summary>Number of the weights that the service computes with.</summary>
    public int Epoch => _domain.Epoch;

    /// <summary>A hold's K and V are all of the weights of now.</summary>
    public bool IsCurrent(KvHold hold) => hold.Epoch == _domain.Epoch;

    public int BlocksFor(int tokenCount) => _domain.Pool.BlocksFor(tokenCount);

    /// <summary>What the cache would supply of a queued sequence; changes nothing.</summary>
    public PrefixMatch Peek(Sequence sequence) => Peek(sequence.Tokens, sequence.CacheableCount);

    public PrefixMatch Peek(ReadOnlySpan<int> tokens, int maxTokens)
    {
        if (!_usesCache)
            return default;
        lock (_domain.Gate)
            return _domain.Cache.Peek(tokens, maxTokens);
    }

    /// <summary>
    /// Gives a sequence its cached prefix, locked, and blocks for all its tokens, where enough are left for
    /// it up to an end and for what running ones are expected to take.
    /// </summary>
    /// <param name="hold">Empty.</param>
    /// <param name="tokens">Tokens that need a place.</param>
    /// <param name="maxCached">Longest prefix that may come from the cache.</param>
    /// <param name="endTokens">How long it may become.</param>
    /// <param name="expectedBlocks">What this worker's running sequences are expected to take.</param>
    public bool TryAdmit(
        KvHold hold, ReadOnlySpan<int> tokens, int maxCached, int endTokens, long expectedBlocks)
    {
        lock (_domain.Gate)
        {
            Expect(expectedBlocks);
            if (!_domain.MayTake(this) || !_domain.MayAdmit(this))
            {
                _domain.AwaitTurn(this);
                return false;
            }
            PrefixMatch match = _usesCache ? _domain.Cache.Peek(tokens, maxCached) : default;
            int needed = BlocksFor(endTokens) - match.BlockCount;
            if (needed + expectedBlocks > _quota.LeftBlocks)
            {
                // Its own quota is what it waits for: others need not.
                _domain.LeaveTurn(this);
                return false;
            }
            int available = _domain.AvailableBlockCount - match.EvictableBlockCount;
            if (needed + _domain.ExpectedBlocks > available)
            {
                _domain.AwaitTurn(this);
                return false;
            }
            _domain.LeaveTurn(this);
            Begin(hold);
            if (_usesCache)
                hold.Prefix = _domain.Cache.MatchAndLock(tokens, maxCached, hold.Blocks);
            Take(hold, BlocksFor(tokens.Length) - hold.Blocks.Count);
            return true;
        }
    }

    /// <summary>
    /// Reserves for another sample of a prompt what it cannot share: the block that the prompt ends inside,
    /// if it does. See <see cref="Fork"/>.
    /// </summary>
    /// <param name="hold">Empty.</param>
    /// <param name="tokenCount">Tokens of the prompt.</param>
    /// <param name="endTokens">How long it may become.</param>
    /// <param name="expectedBlocks">What this worker's running sequences are expected to take.</param>
    public bool TryAdmitFork(KvHold hold, int tokenCount, int endTokens, long expectedBlocks)
    {
        int sharedBlocks = tokenCount / PageSize;
        lock (_domain.Gate)
        {
            long needed = BlocksFor(endTokens) - sharedBlocks + expectedBlocks;
            if (!_domain.MayTake(this) || !_domain.MayAdmit(this) || needed > _quota.LeftBlocks
                || needed > _domain.AvailableBlockCount)
            {
                return false;
            }
            Begin(hold);
            Take(hold, BlocksFor(tokenCount) - sharedBlocks);
            return true;
        }
    }

    /// <summary>Gives an admitted fork the whole blocks of a computed prompt, before its own.</summary>
    public void Fork(KvHold prompt, int tokenCount, KvHold fork)
    {
        int sharedBlocks = tokenCount / PageSize;
        Check.That(fork.Blocks.Count == prompt.Blocks.Count - sharedBlocks);
        int? own = fork.Blocks.Count > 0 ? fork.Blocks[0] : null;
        fork.Blocks.Clear();
        fork.Epoch = prompt.Epoch;
        lock (_domain.Gate)
        {
            foreach (int block in prompt.Blocks.Blocks[..sharedBlocks])
            {
                _domain.Pool.AddReference(block);
                fork.Blocks.Add(block);
            }
            fork.Prefix = _domain.Cache.LockAgain(prompt.Prefix);
        }
        if (own is { } last)
            fork.Blocks.Add(last);
    }

    /// <summary>Says that nothing waits to be admitted here.</summary>
    public void LeaveTurn()
    {
        lock (_domain.Gate)
            _domain.LeaveTurn(this);
    }

    /// <summary>
    /// Adds blocks until so many tokens have a place; takes none if there are too few.
    /// </summary>
    public bool TryReserve(KvHold hold, int tokenCount)
    {
        int wanted = BlocksFor(tokenCount) - hold.Blocks.Count;
        if (wanted <= 0)
            return true;
        lock (_domain.Gate)
        {
            if (!_domain.MayTake(this) || wanted > _domain.AvailableBlockCount
                || wanted > _quota.LeftBlocks)
            {
                return false;
            }
            Take(hold, wanted);
            _domain.EndClaim(this);
            return true;
        }
    }

    /// <summary>
    /// For a worker whose last sequence cannot go on: claims what others give back. False where another
    /// worker has claimed it already; the sequence must then give its blocks up.
    /// </summary>
    public bool TryClaim()
    {
        lock (_domain.Gate)
            return _domain.WorkerCount > 1 && _domain.TryClaim(this);
    }

    /// <summary>Tells the domain what this worker's running sequences are expected to take yet.</summary>
    public void PublishExpected(long expectedBlocks)
    {
        if (_expectedBlocks == expectedBlocks)
            return;
        lock (_domain.Gate)
            Expect(expectedBlocks);
    }

    /// <summary>
    /// Makes computed blocks findable, unless some are of other weights; the hold goes on holding them.
    /// </summary>
    /// <param name="hold">Whose blocks.</param>
    /// <param name="computed">The tokens whose K and V lie in them.</param>
    public void Keep(KvHold hold, ReadOnlySpan<int> computed)
    {
        if (!_usesCache)
            return;
        lock (_domain.Gate)
        {
            if (!IsCurrent(hold))
                return;
            hold.Prefix = _domain.Cache.Insert(computed, hold.Blocks, hold.Prefix);
        }
    }

    /// <summary>
    /// Gives all blocks of a hold back; those in the cache stay there until they are evicted.
    /// </summary>
    public void Release(KvHold hold)
    {
        if (hold.Quota is null)
            return;
        lock (_domain.Gate)
        {
            ReleaseLent(hold);
            foreach (int block in hold.Blocks.Blocks)
                _domain.Pool.Release(block);
            hold.Blocks.Clear();
            _domain.Cache.Unlock(hold.Prefix);
            hold.Prefix = default;
            hold.ChargeTo(null);
            _domain.EndClaim(this);
            _domain.Remove(hold);
        }
    }

    /// <summary>
    /// Takes over what a hold of the same domain is charged; false where it exceeds this worker's quota now.
    /// </summary>
    public bool TryAdopt(KvHold hold)
    {
        if (hold.Quota == _quota)
            return true;
        lock (_domain.Gate)
        {
            if (hold.ChargedCount > _quota.LeftBlocks)
                return false;
            hold.ChargeTo(_quota);
            return true;
        }
    }

    /// <summary>Lends the first blocks of a hold, all computed, to another domain.</summary>
    public void Lend(KvHold hold, int blockCount)
    {
        lock (_domain.Gate)
        {
            hold.Loan ??= new();
            for (int i = hold.Loan.Count; i < blockCount; i++)
            {
                int block = hold.Blocks[i];
                _domain.Pool.AddReference(block);
                hold.Loan.Add(block, _domain.Pool.Generation(block));
            }
        }
    }

    /// <summary>
    /// Lent blocks, of which each must still be in the use in which it was lent; none where the hold has
    /// ended.
    /// </summary>
    public ReadOnlySpan<int> Read(KvHold hold)
    {
        lock (_domain.Gate)
        {
            if (hold.Loan is not { } loan)
                return [];
            for (int i = 0; i < loan.Count; i++)
                Check.That(_domain.Pool.Generation(loan.Blocks[i]) == loan.Generation(i));
            return loan.Blocks;
        }
    }

    /// <summary>Nobody copies from the hold any longer.</summary>
    public void EndLoan(KvHold hold)
    {
        lock (_domain.Gate)
            ReleaseLent(hold);
    }

    /// <summary>Forgets every cached prefix that is not in use.</summary>
    public void Flush()
    {
        lock (_domain.Gate)
            _domain.Cache.Flush();
    }

    /// <summary>The worker is gone: it waits for nothing and is expected to take nothing.</summary>
    public void Leave()
    {
        lock (_domain.Gate)
        {
            Expect(0);
            _domain.LeaveTurn(this);
            _domain.EndClaim(this);
            _domain.WorkerCount--;
        }
    }

    private void Begin(KvHold hold)
    {
        _domain.Add(hold);
        hold.Epoch = _domain.Epoch;
    }

    private void ReleaseLent(KvHold hold)
    {
        if (hold.Loan is not { } loan)
            return;
        foreach (int block in loan.Blocks)
            _domain.Pool.Release(block);
        hold.Loan = null;
    }

    private void Expect(long expectedBlocks)
    {
        _domain.ExpectedBlocks += expectedBlocks - _expectedBlocks;
        _expectedBlocks = expectedBlocks;
    }

    private void Take(KvHold hold, int count)
    {
        for (int i = 0; i < count; i++)
            hold.Blocks.Add(_domain.Take());
        hold.Charge(_quota, count);
    }
}
