namespace PdEngine.Host;

/// <summary>What is kept of a request that ended: no tokens and no text.</summary>
internal readonly record struct EndedRequest
{
    /// <summary>Counts the requests of its service that ended, from 1.</summary>
    public long Number { get; init; }

    public long EndedMs { get; init; }

    public RequestId Id { get; init; }

    public int PromptTokens { get; init; }

    public int CachedTokens { get; init; }

    public int OutputTokens { get; init; }

    public FinishReason Reason { get; init; }

    public PdPath Path { get; init; }

    /// <summary>Why it went that way.</summary>
    public string PathReason { get; init; }

    public string PrefillWorker { get; init; }

    public string DecodeWorker { get; init; }

    public int HandoffBlocks { get; init; }

    public long TransferBytes { get; init; }

    public int Retractions { get; init; }

    public int Failures { get; init; }

    public TimeSpan? FirstToken { get; init; }

    public PhaseTimings Timings { get; init; }

    /// <summary>From one token to the next, on average; null where there were not two.</summary>
    public double? InterTokenMs => FirstToken is { } first && OutputTokens > 1
        ? Math.Max(0, (Timings.TotalNs / 1e6) - first.TotalMilliseconds) / (OutputTokens - 1)
        : null;

    /// <summary>From its first token until a decode worker had it; null where none took it over.</summary>
    public double? HandoffMs => HandoffBlocks > 0 ? Timings.PassingNs / 1e6 : null;

    public static EndedRequest Of(Generation generation, long number, long endedMs) => new()
    {
        Number = number,
        EndedMs = endedMs,
        Id = generation.Id,
        PromptTokens = generation.PromptIds.Length,
        CachedTokens = generation.CachedTokens,
        OutputTokens = generation.OutputIds.Count,
        Reason = generation.FinishReason,
        Path = generation.PdPath,
        PathReason = generation.PdReason,
        PrefillWorker = generation.PrefillWorker,
        DecodeWorker = generation.DecodeWorker,
        HandoffBlocks = generation.HandoffBlocks,
        TransferBytes = generation.TransferBytes,
        Retractions = generation.RetractionCount,
        Failures = generation.FailureCount,
        FirstToken = generation.TimeToFirstToken,
        Timings = generation.Timings,
    };
}
