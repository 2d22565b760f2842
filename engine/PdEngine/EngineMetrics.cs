namespace PdEngine;

/// <summary>Counters of an engine at one moment.</summary>
public sealed record EngineMetrics
{
    /// <summary>Requests that wait for blocks.</summary>
    public required int QueuedRequests { get; init; }

    /// <summary>Sequences that hold blocks.</summary>
    public required int RunningRequests { get; init; }

    /// <summary>KV blocks in the pool.</summary>
    public required int TotalBlocks { get; init; }

    /// <summary>Blocks held by nobody.</summary>
    public required int FreeBlocks { get; init; }

    /// <summary>Blocks that only the prefix cache holds.</summary>
    public required int CachedBlocks { get; init; }

    /// <summary>Positions per block.</summary>
    public required int PageSize { get; init; }

    /// <summary>Prompt tokens computed since the start.</summary>
    public required long PrefillTokens { get; init; }

    /// <summary>Prompt tokens taken from the prefix cache since the start.</summary>
    public required long CachedTokens { get; init; }

    /// <summary>Tokens generated since the start.</summary>
    public required long OutputTokens { get; init; }

    /// <summary>Times a sequence gave its blocks back and was queued again.</summary>
    public required long Retractions { get; init; }
}
