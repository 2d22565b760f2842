namespace PdEngine;

/// <summary>What a worker counts: written by its own thread, read by any.</summary>
internal sealed class WorkerCounters
{
    private long _stepCount;
    private long _busyTicks;
    private long _finishedCount;
    private long _failureCount;
    private long _cachedTokenCount;
    private long _generatedTokenCount;
    private long _prefillTokenCount;
    private long _retractionCount;
    private long _forkCount;
    private int _queuedCount;
    private int _prefillingCount;
    private int _arrivedCount;
    private int _decodingCount;
    private int _freeBlockCount;
    private int _usedBlockCount;
    private int _cachedBlockCount;
    private int _evictableBlockCount;

    public void CountStep(long ticks)
    {
        Volatile.Write(ref _stepCount, _stepCount + 1);
        Volatile.Write(ref _busyTicks, _busyTicks + ticks);
    }

    public void CountFinished() => Volatile.Write(ref _finishedCount, _finishedCount + 1);

    public void CountFailure() => Volatile.Write(ref _failureCount, _failureCount + 1);

    public void CountGenerated(int tokenCount) =>
        Volatile.Write(ref _generatedTokenCount, _generatedTokenCount + tokenCount);

    public void CountCached(int tokenCount) =>
        Volatile.Write(ref _cachedTokenCount, _cachedTokenCount + tokenCount);

    /// <summary>Takes over the state of the schedulers and of the domain's blocks.</summary>
    public void Publish(StepScheduler scheduler, KvDomain domain)
    {
        Volatile.Write(ref _prefillTokenCount, scheduler.PrefillTokenCount);
        Volatile.Write(ref _retractionCount, scheduler.RetractionCount);
        Volatile.Write(ref _forkCount, scheduler.ForkCount);
        Volatile.Write(ref _queuedCount, scheduler.QueuedCount);
        Volatile.Write(ref _prefillingCount, scheduler.PrefillingCount);
        Volatile.Write(ref _decodingCount, scheduler.DecodingCount);
        Volatile.Write(ref _arrivedCount, scheduler.ArrivedCount);
        lock (domain.Gate)
        {
            Volatile.Write(ref _freeBlockCount, domain.Pool.FreeCount);
            Volatile.Write(ref _usedBlockCount, domain.Pool.UsedCount);
            Volatile.Write(ref _cachedBlockCount, domain.Cache.BlockCount);
            Volatile.Write(ref _evictableBlockCount, domain.Cache.EvictableBlockCount);
        }
    }

    public WorkerSnapshot Read() => new()
    {
        StepCount = Volatile.Read(ref _stepCount),
        BusyTicks = Volatile.Read(ref _busyTicks),
        QueuedCount = Volatile.Read(ref _queuedCount),
        PrefillingCount = Volatile.Read(ref _prefillingCount),
        ArrivedCount = Volatile.Read(ref _arrivedCount),
        DecodingCount = Volatile.Read(ref _decodingCount),
        UsedBlockCount = Volatile.Read(ref _usedBlockCount),
        FreeBlockCount = Volatile.Read(ref _freeBlockCount),
        CachedBlockCount = Volatile.Read(ref _cachedBlockCount),
        EvictableBlockCount = Volatile.Read(ref _evictableBlockCount),
        FinishedCount = Volatile.Read(ref _finishedCount),
        ForkCount = Volatile.Read(ref _forkCount),
        RetractionCount = Volatile.Read(ref _retractionCount),
        FailureCount = Volatile.Read(ref _failureCount),
        PrefillTokenCount = Volatile.Read(ref _prefillTokenCount),
        CachedTokenCount = Volatile.Read(ref _cachedTokenCount),
        GeneratedTokenCount = Volatile.Read(ref _generatedTokenCount),
    };
}
