namespace PdEngine;

/// <summary>How tokens are drawn and when a generation ends; names and defaults are SGLang's.</summary>
/// <remarks>
/// The distribution: float32 logits, then logit bias, repetition penalty (prompt and output), frequency and
/// presence penalties (output), temperature, softmax, top-k, top-p, min-p, and a draw by Gumbel-max whose
/// noise is a function of (seed, position, token id). Nothing depends on what else is in the batch.
/// </remarks>
public sealed record SamplingParams
{
    /// <summary>Divides the logits; 0 is greedy (lowest id on ties).</summary>
    public float Temperature { get; init; } = 1f;

    /// <summary>Keeps the most likely tokens until their mass exceeds this; in (0, 1].</summary>
    public float TopP { get; init; } = 1f;

    /// <summary>Keeps exactly this many tokens (ties by lower id); -1 keeps all.</summary>
    public int TopK { get; init; } = -1;

    /// <summary>Drops tokens less likely than this times the most likely one; in [0, 1].</summary>
    public float MinP { get; init; }

    /// <summary>
    /// Divides positive and multiplies negative logits of tokens seen in prompt or output; above 0.
    /// </summary>
    public float RepetitionPenalty { get; init; } = 1f;

    /// <summary>Taken from a token's logit once for each time it stands in the output; in [-2, 2].</summary>
    public float FrequencyPenalty { get; init; }

    /// <summary>Taken from a token's logit once if it stands in the output; in [-2, 2].</summary>
    public float PresencePenalty { get; init; }

    /// <summary>Added to the logits of the named token ids.</summary>
    public IReadOnlyDictionary<int, float> LogitBias { get; init; } = EmptyBias;

    /// <summary>Most tokens to generate; 0 scores the prompt and generates nothing.</summary>
    public int MaxNewTokens { get; init; } = 128;

    /// <summary>
    /// Stop ids cannot be drawn before this many tokens are generated; until then they are masked out of the
    /// distribution that log-probs are of, in a re-score with the same parameters too.
    /// </summary>
    public int MinNewTokens { get; init; }

    /// <summary>Does not end at the checkpoint's own end-of-sequence ids.</summary>
    public bool IgnoreEos { get; init; }

    /// <summary>Further ids that end a generation; the id stays in the output ids, not in the text.</summary>
    public IReadOnlyList<int> StopTokenIds { get; init; } = [];

    /// <summary>Strings that end a generation; the text ends before the first of them.</summary>
    public IReadOnlyList<string> Stop { get; init; } = [];

    /// <summary>Leaves the stop string, or the stop id's text, in the text.</summary>
    public bool NoStopTrim { get; init; }

    /// <summary>Leaves special tokens out of the text.</summary>
    public bool SkipSpecialTokens { get; init; } = true;

    /// <summary>
    /// Seed of the draws; where absent the engine derives one from its own seed and the request id.
    /// </summary>
    public ulong? SamplingSeed { get; init; }

    /// <summary>What top-p's mass is taken of.</summary>
    public TopPMode TopPMode { get; init; } = TopPMode.Joint;

    /// <summary>Which distribution the reported log-probs are of.</summary>
    public LogProbMode LogProbMode { get; init; } = LogProbMode.Tempered;

    private static readonly IReadOnlyDictionary<int, float> EmptyBias =
        System.Collections.Frozen.FrozenDictionary<int, float>.Empty;
}
