namespace PdEngine;

/// <summary>How prompts become samples.</summary>
public sealed record RolloutOptions
{
    /// <summary>Samples of each prompt; the prompt is computed once for all of them. One where the
    /// temperature is 0.</summary>
    public int SamplesPerPrompt { get; init; } = 1;

    /// <summary>How every turn is drawn; its MaxNewTokens bounds one turn.</summary>
    public SamplingParams Sampling { get; init; } = new();

    /// <summary>Most response tokens of a sample, the environment's included; null is the context. What the
    /// environment answers is not taken where it leaves no room for a token of the model's, and the sample is
    /// truncated.</summary>
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

    /// <summary>Aborted groups are kept, and the next batch goes on with them first; those that had finished
    /// are returned as they are.</summary>
    public bool KeepsPartial { get; init; }

    /// <summary>Of kept samples, what older weights made than those of the batch that takes them counts for
    /// no loss.</summary>
    public bool MasksOffPolicy { get; init; }

    /// <summary>Most samples that run at once.</summary>
    public int MaxConcurrentSamples { get; init; } = 256;

    /// <summary>Asynchronously collected groups that wait to be taken, at most; then no more are
    /// started.</summary>
    public int QueuedGroups { get; init; } = 16;

    /// <summary>How many weight updates an asynchronously collected group may be behind when it is taken;
    /// older ones are sampled anew.</summary>
    public int MaxStaleness { get; init; } = 1;

    /// <exception cref="OptionsException">An option has a value that no rollout can have.</exception>
    internal void Validate()
    {
        Require(SamplesPerPrompt >= 1, "samples_per_prompt", SamplesPerPrompt, "at least 1");
        Require(MaxTurns >= 1, "max_turns", MaxTurns, "at least 1");
        Require(MaxResponseTokens is null or >= 1, "max_response_tokens", MaxResponseTokens, "at least 1");
        Require(OverSamplingGroups >= 0, "over_sampling_groups", OverSamplingGroups, "at least 0");
        Require(MaxConcurrentSamples >= 1, "max_concurrent_samples", MaxConcurrentSamples, "at least 1");
        Require(QueuedGroups >= 1, "queued_groups", QueuedGroups, "at least 1");
        Require(MaxStaleness >= 0, "max_staleness", MaxStaleness, "at least 0");
        Require(FirstRolloutId >= 0, "first_rollout_id", FirstRolloutId, "at least 0");
        Require(SamplesPerPrompt == 1 || Sampling.Temperature != 0, "temperature", Sampling.Temperature,
            $"above 0 where a prompt has {SamplesPerPrompt} samples, for they would all be the same");
        Require(Sampling.MaxNewTokens >= 1, "max_new_tokens", Sampling.MaxNewTokens, "at least 1");
    }

    private static void Require<T>(bool holds, string option, T value, string allowed)
    {
        if (!holds)
            throw new OptionsException(option, $"{value} is not allowed; it must be {allowed}");
    }
}
