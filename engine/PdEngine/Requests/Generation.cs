namespace PdEngine;

/// <summary>A finished generation: everything that was made, however it ended.</summary>
public sealed record Generation
{
    /// <summary>The request's id.</summary>
    public required RequestId Id { get; init; }

    /// <summary>The prompt as it was computed.</summary>
    public required ReadOnlyMemory<int> PromptIds { get; init; }

    /// <summary>Generated ids, a stop id included.</summary>
    public required IReadOnlyList<int> OutputIds { get; init; }

    /// <summary>Generated text up to the stop; empty where the checkpoint has no tokenizer.</summary>
    public required string Text { get; init; }

    /// <summary>Why it ended.</summary>
    public required FinishReason FinishReason { get; init; }

    /// <summary>The stop id that was met, if one was.</summary>
    public int? MatchedStopId { get; init; }

    /// <summary>The stop string that was met, if one was.</summary>
    public string? MatchedStopText { get; init; }

    /// <summary>
    /// What went wrong, where <see cref="FinishReason"/> is <see cref="FinishReason.Error"/>; a <see
    /// cref="TimeoutException"/> where the engine itself aborted a request that took too long.
    /// </summary>
    public Exception? Error { get; init; }

    /// <summary>Log-probs of the output, one for each output id; empty where not asked for.</summary>
    public required IReadOnlyList<TokenLogProb> OutputLogProbs { get; init; }

    /// <summary>Log-probs of the prompt from the asked position on; its first has none.</summary>
    public required IReadOnlyList<TokenLogProb> InputLogProbs { get; init; }

    /// <summary>What a reward model made of the prompt; null of a language model.</summary>
    public float? Reward { get; init; }

    /// <summary>Prompt tokens that the prefix cache supplied.</summary>
    public int CachedTokens { get; init; }

    /// <summary>How often it gave its blocks back and was computed anew.</summary>
    public int RetractionCount { get; init; }

    /// <summary>Weight version of the last token; of a scored prompt, that of the scores.</summary>
    public string WeightVersion { get; init; } = "default";

    /// <summary>Weight version of every output token, in runs.</summary>
    public IReadOnlyList<WeightVersionRun> WeightVersions { get; init; } = [];

    /// <summary>
    /// Some token was made with K and V that not all are of its own version: weights were swapped under it.
    /// </summary>
    public bool HasMixedKv { get; init; }

    /// <summary>How it came from its prompt to its output.</summary>
    public PdPath PdPath { get; init; }

    /// <summary>Why that way, for example <c>short prompt</c>.</summary>
    public string PdReason { get; init; } = "";

    /// <summary>Name of the worker that computed the prompt; empty where it never came to that.</summary>
    public string PrefillWorker { get; init; } = "";

    /// <summary>Name of the worker that decoded; empty where it never came to that.</summary>
    public string DecodeWorker { get; init; } = "";

    /// <summary>KV blocks that changed hands between workers.</summary>
    public int HandoffBlocks { get; init; }

    /// <summary>Bytes of K and V copied between memory domains.</summary>
    public long TransferBytes { get; init; }

    /// <summary>How often a worker failed under it and it was computed anew.</summary>
    public int FailureCount { get; init; }

    /// <summary>Where its time went.</summary>
    public PhaseTimings Timings { get; init; } = new();

    /// <summary>From submission to first admission.</summary>
    public TimeSpan QueueTime { get; init; }

    /// <summary>From submission to the first output token; null where there is none.</summary>
    public TimeSpan? TimeToFirstToken { get; init; }

    /// <summary>From submission to the end.</summary>
    public TimeSpan EndToEndTime { get; init; }
}
