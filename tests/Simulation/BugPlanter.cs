namespace PdEngine.Tests;

/// <summary>Does between and inside steps what a bug of that kind would do to the state.</summary>
internal sealed class BugPlanter(PlantedBug bug, SimulatedCluster cluster, List<SimulatedCall> live)
{
    private readonly HandoffBugPlanter _between = new(bug, cluster, live);
    private readonly UpdateBugPlanter _updates = new(bug, cluster, live);
    private readonly AheadBugPlanter _ahead = new(bug, cluster, live);
    private KvDomain _domain = cluster.Domains[0];
    private readonly HashSet<Sequence> _retracted = [];
    private bool _done;
    private int _turn;

    public PlantedBug Bug { get; } = bug;

    public UpdateBugPlanter Updates => _updates;

    public bool StartsWithOldWeights => _updates.StartsWithOldWeights;

    public void BeforeStep()
    {
        _domain = cluster.Domains[_turn++ % cluster.Domains.Count];
        _between.BeforeStep();
        _updates.BeforeStep();
        _ahead.BeforeStep();
        if (_done)
            return;
        switch (Bug)
        {
            case PlantedBug.BlockFreedEarly when Find(HoldsBlocks) is { } sequence:
                _domain.Pool.Release(sequence.Blocks.Blocks[^1]);
                _done = true;
                break;
            case PlantedBug.ReleaseForgotten when Find(HoldsBlocks) is { } sequence:
                _domain.Pool.AddReference(sequence.Blocks[0]);
                _done = true;
                break;
            case PlantedBug.BlockAliased:
                Alias();
                break;
            case PlantedBug.LockReleasedTwice when Find(s => s.Prefix.BlockCount > 0) is { } sequence:
                _domain.Cache.Unlock(sequence.Prefix);
                _done = true;
                break;
            case PlantedBug.LockForgotten when Find(s => s.Prefix.BlockCount > 0) is { } sequence:
                sequence.Prefix = default;
                _done = true;
                break;
            case PlantedBug.CachedUnderOtherTokens:
                CacheUnderOtherTokens();
                break;
            case PlantedBug.UnfinishedBlockCached when Find(IsInsideBlock) is { } sequence:
                int[] tokens = [.. sequence.Tokens, .. new int[_domain.Pool.PageSize]];
                int wholeTokens = sequence.Blocks.Count * _domain.Pool.PageSize;
                sequence.Prefix = _domain.Cache.Insert(
                    tokens.AsSpan(0, wholeTokens), sequence.Blocks, sequence.Prefix);
                _done = true;
                break;
            case PlantedBug.EvictedBlockKept when _domain.Cache.EvictableBlockCount > 0:
                _domain.Cache.Evict(1);
                _done = _domain.Pool.TryTake(out _);
                break;
        }
    }

    public void AfterStep()
    {
        _updates.AfterStep();
        foreach (SimulatedCall call in live)
        {
            Sequence sequence = call.Sequence!;
            bool isRetracted = sequence is { Phase: SequencePhase.Queued, RetractionCount: > 0 };
            bool isNew = isRetracted && _retracted.Add(sequence);
            if (Bug == PlantedBug.ScoredTwiceAfterRetraction && isNew && sequence.InputLogProbs.Count > 0)
                sequence.InputLogProbs.Add(sequence.InputLogProbs[^1]);
            bool isResumed = sequence.Phase == SequencePhase.Prefilling
                && sequence.ComputedCount < sequence.TokenCount - 1;
            int pageSize = _domain.Pool.PageSize;
            if (!isResumed || sequence.ComputedCount == 0 || sequence.ComputedCount % pageSize == 0)
                continue;
            if (Bug == PlantedBug.ComputedTooFar
                || (Bug == PlantedBug.RetractionKeepsCount && _retracted.Remove(sequence)))
            {
                sequence.ComputedCount++;
            }
        }
    }

    public bool SkipsWrite(AttentionSlice slice, int position) =>
        Bug == PlantedBug.SlotNotWritten && slice is { Start: > 0, QueryCount: > 1 } &&
        position == slice.Start;

    public void AfterRun(ForwardBatch batch)
    {
        Span<SampleResult> results = batch.Samples.Results;
        if (Bug == PlantedBug.ResultsSwapped && results.Length > 1)
            (results[0], results[1]) = (results[1], results[0]);
    }

    /// <summary>Workers have been asked to pause.</summary>
    public void AfterPause()
    {
        _updates.AfterPause();
        _ahead.AfterPause();
    }

    public void OnToken(Sequence sequence)
    {
        _ahead.OnToken(sequence);
        if (Bug == PlantedBug.TokenAppendedTwice && sequence.OutputCount == 3)
            sequence.Append(sequence.Tokens[^1]);
    }

    public bool SkipsCopy(int index, int firstLayer) => Bug switch
    {
        PlantedBug.CopySkipsBlock => index == 1,
        PlantedBug.CopySkipsUpperLayers => firstLayer >= FakeKvMemory.UpperLayer,
        _ => false,
    };

    private static bool HoldsBlocks(Sequence sequence) => sequence.Blocks.Count > 0;

    private bool IsInsideBlock(Sequence sequence) =>
        sequence.Phase == SequencePhase.Decoding && sequence.ComputedCount % _domain.Pool.PageSize != 0
        && sequence.Blocks.Count == _domain.Pool.BlocksFor(sequence.ComputedCount);

    private Sequence? Find(Predicate<Sequence> condition) =>
        live.Find(call => !call.IsFinished && IsHere(call.Sequence!) && condition(call.Sequence!))
            ?.Sequence;

    /// <summary>It holds nothing elsewhere than in the domain looked at.</summary>
    private bool IsHere(Sequence sequence) =>
        sequence.Blocks.Count == 0 || EngineInternals.Holds(_domain).Contains(sequence.Kv);

    /// <summary>Two tables name one block, and the counts agree with that.</summary>
    private void Alias()
    {
        Sequence? first = Find(s => s.Phase == SequencePhase.Decoding && s.Blocks.Count > 0);
        Sequence? second = Find(s => s.Phase == SequencePhase.Decoding && s != first && s.Blocks.Count > 0);
        if (first is null || second is null || first.Blocks.Blocks[^1] == second.Blocks.Blocks[^1])
            return;
        _domain.Pool.AddReference(first.Blocks.Blocks[^1]);
        _domain.Pool.Release(second.Blocks.Blocks[^1]);
        second.Blocks.Replace(second.Blocks.Count - 1, first.Blocks.Blocks[^1]);
        _done = true;
    }

    /// <summary>What a cache that trusts a hash would do on a collision.</summary>
    private void CacheUnderOtherTokens()
    {
        int pageSize = _domain.Pool.PageSize;
        Sequence? owner = Find(s => s.Phase == SequencePhase.Decoding && s.ComputedCount >= pageSize);
        Sequence? victim = Find(s => s.Phase == SequencePhase.Queued && s.CacheableCount >= pageSize);
        if (owner is null || victim is null || _domain.Cache.Peek(victim.Tokens, pageSize).BlockCount > 0)
            return;
        BlockTable table = new();
        table.Add(owner.Blocks[0]);
        _domain.Cache.Unlock(_domain.Cache.Insert(victim.Tokens[..pageSize], table, default));
        _done = true;
    }
}
