namespace PdEngine;

/// <summary>A request that has not ended, as of one moment.</summary>
internal readonly record struct LiveRequest
{
    public RequestId Id { get; init; }

    public int PromptTokens { get; init; }

    public int OutputTokens { get; init; }

    /// <summary>Where its prompt is computed, or waits to be; empty before it came to that.</summary>
    public string PrefillWorker { get; init; }

    /// <summary>Where it decodes; empty before it came to that.</summary>
    public string DecodeWorker { get; init; }

    /// <summary>Where its time went so far.</summary>
    public PhaseTimings Timings { get; init; }

    /// <summary>Reads what its owner may be changing: each value is one that it had a moment ago.</summary>
    public static LiveRequest Of(Sequence sequence, TimeProvider clock, long nowTicks) => new()
    {
        Id = sequence.Request.Id,
        PromptTokens = sequence.PromptCount,
        OutputTokens = sequence.OutputCount,
        PrefillWorker = sequence.Pd.PrefillWorker,
        DecodeWorker = sequence.Pd.DecodeWorker,
        Timings = sequence.Times.Phases(clock, sequence.Pd.HandoffTicks, nowTicks),
    };
}
