namespace PdEngine;

/// <summary>How one worker schedules; names in brackets are the overrides they come from.</summary>
internal sealed record SchedulerOptions
{
    public const int DefaultMaxPrefillTokens = 16384;

    /// <summary>Longest sequence, prompt and output together, in tokens (context_length).</summary>
    public required int ContextTokens { get; init; }

    /// <summary>Tokens of one step that a prompt is cut to (chunked_prefill_size); null never cuts.</summary>
    public int? PrefillChunkTokens { get; init; } = 2048;

    /// <summary>
    /// Prompt tokens of one step over all sequences (max_prefill_tokens); one uncut prompt may exceed it.
    /// </summary>
    public int MaxPrefillTokens { get; init; } = DefaultMaxPrefillTokens;

    /// <summary>Prompts in one step (prefill_max_requests); null is no bound.</summary>
    public int? MaxPrefillSequences { get; init; }

    /// <summary>Blocks of the pool that this worker may be charged (max_total_tokens); null is all.</summary>
    public int? QuotaBlocks { get; init; }

    /// <summary>
    /// Admission leaves room for what a sequence will generate; a worker whose sequences decode in another
    /// domain needs none.
    /// </summary>
    public bool LooksAhead { get; init; } = true;

    /// <summary>
    /// Tokens of each running sequence's growth that admission leaves room for at least
    /// (num_reserved_decode_tokens).
    /// </summary>
    public int ReservedDecodeTokens { get; init; }

    /// <summary>Sequences that hold blocks at once (max_running_requests).</summary>
    public int MaxRunningSequences { get; init; } = 256;

    /// <summary>
    /// Sequences that wait for their first admission (max_queued_requests); null is no bound.
    /// </summary>
    public int? MaxQueuedSequences { get; init; }

    /// <summary>
    /// Decode rows join the step of a prefill chunk (enable_mixed_chunk); else the two take turns.
    /// </summary>
    public bool MixesDecode { get; init; } = true;

    /// <summary>Prefixes are read from and written to the cache (not disable_radix_cache).</summary>
    public bool UsesPrefixCache { get; init; } = true;

    public SchedulePolicy Policy { get; init; } = SchedulePolicy.Fcfs;

    public RetractionPolicy Retraction { get; init; } = RetractionPolicy.Length;

    /// <summary>
    /// Scales the share of MaxNewTokens that running sequences are expected to use
    /// (schedule_conservativeness); higher admits later and retracts less.
    /// </summary>
    public double Conservativeness { get; init; } = 1;

    /// <summary>How long one step may take (watchdog_timeout).</summary>
    public TimeSpan WatchdogTimeout { get; init; } = TimeSpan.FromSeconds(300);

    /// <summary>Prompt tokens that one step may compute.</summary>
    public int PrefillBudgetTokens => Math.Min(PrefillChunkTokens ?? int.MaxValue, MaxPrefillTokens);
}
