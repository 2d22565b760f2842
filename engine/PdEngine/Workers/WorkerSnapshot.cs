namespace PdEngine;

/// <summary>
/// A worker's counters at about one moment: each value is exact, two of them may be a step apart.
/// </summary>
internal readonly record struct WorkerSnapshot
{
    /// <summary>Steps that ran a batch.</summary>
    public long StepCount { get; init; }

    /// <summary>Clock ticks that those batches took.</summary>
    public long BusyTicks { get; init; }

    /// <summary>Sequences that wait for blocks.</summary>
    public int QueuedCount { get; init; }

    /// <summary>Sequences whose prompt is being computed.</summary>
    public int PrefillingCount { get; init; }

    /// <summary>Sequences handed over that wait for a place.</summary>
    public int ArrivedCount { get; init; }

    public int DecodingCount { get; init; }

    /// <summary>Blocks that are not free: held by sequences, the cache or both.</summary>
    public int UsedBlockCount { get; init; }

    public int FreeBlockCount { get; init; }

    public int CachedBlockCount { get; init; }

    /// <summary>Cached blocks that eviction could free.</summary>
    public int EvictableBlockCount { get; init; }

    public long FinishedCount { get; init; }

    /// <summary>Sequences that went on from another's prompt and computed none.</summary>
    public long ForkCount { get; init; }

    public long RetractionCount { get; init; }

    /// <summary>Batches that the runner failed.</summary>
    public long FailureCount { get; init; }

    /// <summary>Tokens computed in chunks of prompts, again after a retraction too.</summary>
    public long PrefillTokenCount { get; init; }

    /// <summary>Prompt tokens that the prefix cache supplied on first admission.</summary>
    public long CachedTokenCount { get; init; }

    public long GeneratedTokenCount { get; init; }
}
