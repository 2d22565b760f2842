namespace PdEngine.Tests;

public sealed class RadixCacheTests
{
    private const int PageSize = 4;
    private readonly KvBlockPool _pool = new(64, PageSize);
    private RadixCache _cache = null!;

    [SetUp]
    public void MakeCache() => _cache = new(_pool);

    [TearDown]
    public void GiveAllBack()
    {
        _cache.Flush();
        Assert.That(_pool.FreeCount, Is.EqualTo(_pool.BlockCount));
    }

    [Test]
    public void A_match_is_whole_blocks_within_the_limit()
    {
        int[] tokens = WorkerRig.Tokens(14);
        Put(tokens);
        Assert.That(_cache.BlockCount, Is.EqualTo(3));
        Assert.That(_cache.Peek(tokens, tokens.Length).BlockCount, Is.EqualTo(3));
        Assert.That(_cache.Peek(tokens, 11).BlockCount, Is.EqualTo(2));
        Assert.That(_cache.Peek(tokens, 3).BlockCount, Is.Zero);
        tokens[6] ^= 1;
        Assert.That(_cache.Peek(tokens, tokens.Length).BlockCount, Is.EqualTo(1));
    }

    [Test]
    public void Runs_that_part_inside_a_block_share_only_the_blocks_before()
    {
        int[] first = WorkerRig.Tokens(12), second = [.. first];
        second[5] ^= 1;
        Put(first);
        Put(second);
        Assert.That(_cache.BlockCount, Is.EqualTo(5));
        Assert.That(_cache.Peek(first, 12).BlockCount, Is.EqualTo(3));
        Assert.That(_cache.Peek(second, 12).BlockCount, Is.EqualTo(3));
        Verify();
    }

    [Test]
    public void Evicting_a_locked_prefix_is_refused()
    {
        int[] tokens = WorkerRig.Tokens(16);
        Put(tokens);
        BlockTable table = new();
        PrefixLock held = _cache.MatchAndLock(tokens, 8, table);
        Assert.That(table.Count, Is.EqualTo(2));
        Assert.That(_cache.LockedBlockCount, Is.EqualTo(2));
        Assert.That(_cache.Evict(100), Is.EqualTo(2), "only the run below the lock");
        Assert.That(_cache.Evict(100), Is.Zero);
        Assert.That(_cache.Peek(tokens, 16).BlockCount, Is.EqualTo(2));
        Verify(table);
        Release(table, held);
        Assert.That(_cache.Evict(100), Is.EqualTo(2));
    }

    [Test]
    public void The_least_recently_used_run_goes_first_and_from_its_end()
    {
        int[] old = WorkerRig.Tokens(12, seed: 1), recent = WorkerRig.Tokens(12, seed: 2);
        Put(old);
        Put(recent);
        Use(old);
        Assert.That(_cache.Evict(2), Is.EqualTo(2));
        Assert.That(_cache.Peek(recent, 12).BlockCount, Is.EqualTo(1));
        Assert.That(_cache.Peek(old, 12).BlockCount, Is.EqualTo(3));
        Assert.That(_cache.Evict(2), Is.EqualTo(2));
        Assert.That(_cache.Peek(recent, 12).BlockCount, Is.Zero);
        Assert.That(_cache.Peek(old, 12).BlockCount, Is.EqualTo(2));
        Verify();
    }

    [Test]
    public void A_duplicate_run_takes_the_cached_blocks_and_gives_its_own_back()
    {
        int[] tokens = WorkerRig.Tokens(8);
        BlockTable first = Take(2), second = Take(2);
        PrefixLock firstHeld = _cache.Insert(tokens, first, default);
        int used = _pool.UsedCount;
        PrefixLock secondHeld = _cache.Insert(tokens, second, default);
        Assert.That(_pool.UsedCount, Is.EqualTo(used - 2));
        Assert.That(second.Blocks.SequenceEqual(first.Blocks));
        Verify(first, second);
        Release(first, firstHeld);
        Assert.That(_cache.EvictableBlockCount, Is.Zero, "the second still holds it");
        Release(second, secondHeld);
    }

    [Test]
    public void A_split_keeps_the_locks_of_both_parts()
    {
        int[] tokens = WorkerRig.Tokens(16);
        BlockTable whole = Take(4), part = new();
        PrefixLock wholeHeld = _cache.Insert(tokens, whole, default);
        PrefixLock partHeld = _cache.MatchAndLock(tokens, 8, part);
        Verify(whole, part);
        Release(whole, wholeHeld);
        Assert.That(_cache.EvictableBlockCount, Is.EqualTo(2));
        Release(part, partHeld);
        Assert.That(_cache.EvictableBlockCount, Is.EqualTo(4));
        Verify();
    }

    [Test]
    public void Unlocking_twice_is_refused()
    {
        BlockTable table = Take(1);
        PrefixLock held = _cache.Insert(WorkerRig.Tokens(4), table, default);
        Release(table, held);
        Assert.Throws<InvariantException>(() => _cache.Unlock(held));
    }

    [Test]
    public void Random_use_agrees_with_a_list_of_runs([Range(0, 39)] int seed)
    {
        Random random = new(seed);
        List<int[]> runs = [];
        for (int i = 0; i < 40; i++)
        {
            int[] tokens = [.. Enumerable.Range(0, random.Next(1, 24)).Select(_ => random.Next(2))];
            if (_pool.FreeCount < _pool.BlocksFor(tokens.Length))
                break;
            int expected = runs.Append([]).Max(run => run.AsSpan().CommonPrefixLength(tokens)) / PageSize;
            int found = _cache.Peek(tokens, tokens.Length).BlockCount;
            Assert.That(found, Is.EqualTo(expected), $"seed {seed}");
            Use(tokens);
            Put(tokens);
            runs.Add(tokens[..(tokens.Length / PageSize * PageSize)]);
            Verify();
        }
    }

    private BlockTable Take(int blockCount)
    {
        BlockTable table = new();
        for (int i = 0; i < blockCount; i++)
        {
            Assert.That(_pool.TryTake(out int block));
            table.Add(block);
        }
        return table;
    }

    private void Put(int[] tokens)
    {
        BlockTable table = Take(_pool.BlocksFor(tokens.Length));
        Release(table, _cache.Insert(tokens, table, default));
    }

    private void Use(int[] tokens)
    {
        BlockTable table = new();
        Release(table, _cache.MatchAndLock(tokens, tokens.Length, table));
    }

    private void Release(BlockTable table, PrefixLock held)
    {
        foreach (int block in table.Blocks)
            _pool.Release(block);
        _cache.Unlock(held);
    }

    private void Verify(params BlockTable[] tables)
    {
        int[] holders = new int[_pool.BlockCount];
        foreach (BlockTable table in tables)
        {
            foreach (int block in table.Blocks)
                holders[block]++;
        }
        _cache.CheckConsistency(holders);
        _pool.CheckConservation(holders);
    }
}
