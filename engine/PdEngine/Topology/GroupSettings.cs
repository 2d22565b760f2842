namespace PdEngine;

/// <summary>The overrides that the engine acts on; null is the engine's own default.</summary>
public sealed record GroupSettings
{
    /// <summary>Share of a device's memory for weights and KV cache, in (0, 1].</summary>
    public double? MemFractionStatic { get; init; }

    /// <summary>Most tokens in the KV cache of one worker.</summary>
    public int? MaxTotalTokens { get; init; }

    /// <summary>Most sequences that one worker computes at once.</summary>
    public int? MaxRunningRequests { get; init; }

    /// <summary>Most requests that wait for one worker.</summary>
    public int? MaxQueuedRequests { get; init; }

    /// <summary>Prompt tokens of one chunk; -1 computes every prompt whole.</summary>
    public int? ChunkedPrefillSize { get; init; }

    /// <summary>Prompt tokens of one prefill batch.</summary>
    public int? MaxPrefillTokens { get; init; }

    /// <summary>Most requests of one prefill batch.</summary>
    public int? PrefillMaxRequests { get; init; }

    /// <summary>Positions per KV block, a power of two from 1 to 256.</summary>
    public int? PageSize { get; init; }

    /// <summary>Longest sequence in tokens.</summary>
    public int? ContextLength { get; init; }

    /// <summary>Neither reads nor fills the prefix cache.</summary>
    public bool DisableRadixCache { get; init; }

    /// <summary>fcfs, lpm, priority or routing-key.</summary>
    public string SchedulePolicy { get; init; } = "fcfs";

    /// <summary>Above 1 admits fewer sequences, below 1 more.</summary>
    public double ScheduleConservativeness { get; init; } = 1;

    /// <summary>Which sequence gives its blocks back first: length or priority.</summary>
    public string RetractionPolicy { get; init; } = "length";

    /// <summary>Whether prefill chunks and decode rows share a batch.</summary>
    public bool EnableMixedChunk { get; init; }

    /// <summary>Tokens of decode room kept for each running sequence at admission.</summary>
    public int NumReservedDecodeTokens { get; init; } = 512;

    /// <summary>Tokens between two parts of a stream.</summary>
    public int StreamInterval { get; init; } = 1;

    /// <summary>How the weights of products are held.</summary>
    public Quantization? Quantization { get; init; }

    /// <summary>Ranks in tensor parallel; devices per worker over the pipeline size.</summary>
    public int TpSize { get; init; } = 1;

    /// <summary>Name of the first version of the weights.</summary>
    public string WeightVersion { get; init; } = "default";

    /// <summary>Seconds that one step may take before its worker counts as hung.</summary>
    public double WatchdogTimeoutSecs { get; init; } = 300;
}
