namespace PdEngine;

/// <summary>How prompts become samples.</summary>
public sealed record RolloutOptions
{
    /// <summary>Samples of each prompt; the prompt is computed once for all of them.</summary>
    public int SamplesPerPrompt { get; init; } = 1;

    /// <summary>How every turn is drawn; its MaxNewTokens bounds one turn.</summary>
    public SamplingParams Sampling { get; init; } = new();

    /// <summary>Most response tokens of a sample, the environment's included; null is the context.</summary>
    public int? MaxResponseTokens { get; init; }

    /// <summary>Most turns of the model in a sample.</summary>
    public int MaxTurns { get; init; } = int.MaxValue;

    /// <summary>Answers each turn; without one a sample is a single turn.</summary>
    public RolloutEnvironment? Environment { get; init; }

    /// <summary>Hears how each turn of the model was made when it has ended, an aborted one too; samples
    /// call it side by side.</summary>
    public Action<RolloutSample, Generation>? TurnEnded { get; init; }

    /// <summary>Sets rewards that need all samples of a prompt.</summary>
    public Func<RolloutGroup, CancellationToken, ValueTask>? GroupReward { get; init; }

    /// <summary>Groups that it turns down are not returned, and others take their place; see
    /// <see cref="RolloutGroup.HasRewardSpread"/>.</summary>
    public Func<RolloutGroup, bool>? Filter { get; init; }

    /// <summary>Seed of sample i of the n-th prompt: this + n * SamplesPerPrompt + i; null leaves seeds to
    /// the engine.</summary>
    public ulong? Seed { get; init; }

    /// <summary>Number of the first prompt: a run that is resumed goes on counting seeds and
    /// sessions.</summary>
    public long FirstRolloutId { get; init; }

    /// <summary>Groups that are started at once where more are wanted; at least the batch's own size is.
    /// What is then too much is aborted.</summary>
    public int OverSamplingGroups { get; init; }

    /// <summary>Aborted groups are kept, and the next batch goes on with them first.</summary>
    public bool KeepsPartial { get; init; }

    /// <summary>Going on with a kept sample, what older weights made counts for no loss.</summary>
    public bool MasksOffPolicy { get; init; }

    /// <summary>Most samples that run at once.</summary>
    public int MaxConcurrentSamples { get; init; } = 256;

    /// <summary>Asynchronously collected groups that wait to be taken, at most; then no more are
    /// started.</summary>
    public int QueuedGroups { get; init; } = 16;

    /// <summary>How many weight updates an asynchronously collected group may be behind when it is taken;
    /// older ones are sampled anew.</summary>
    public int MaxStaleness { get; init; } = 1;
}
