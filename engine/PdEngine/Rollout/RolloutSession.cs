namespace PdEngine;

/// <summary>
/// Makes rollout samples of prompts with one model service, whatever its topology: groups of samples, turns
/// with an environment, batches with over-sampling and a filter, or collection beside training. Any number of
/// calls may run at once; each is thread-safe.
/// </summary>
public sealed class RolloutSession : IDisposable
{
    private readonly EngineModel _model;
    private readonly SemaphoreSlim _places;
    private readonly Queue<RolloutGroup> _partial = new();
    private readonly Lock _gate = new();
    private long _groupCount;

    /// <param name="model">Samples; not owned.</param>
    /// <param name="options">How.</param>
    /// <exception cref="OptionsException">An option has a value that no rollout can have.</exception>
    public RolloutSession(EngineModel model, RolloutOptions options)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(options);
        Require(options.SamplesPerPrompt >= 1, "samples_per_prompt", options.SamplesPerPrompt, "at least 1");
        Require(options.MaxTurns >= 1, "max_turns", options.MaxTurns, "at least 1");
        Require(options.MaxConcurrentSamples >= 1, "max_concurrent_samples", options.MaxConcurrentSamples,
            "at least 1");
        Require(options.QueuedGroups >= 1, "queued_groups", options.QueuedGroups, "at least 1");
        Require(options.MaxStaleness >= 0, "max_staleness", options.MaxStaleness, "at least 0");
        Require(options.FirstRolloutId >= 0, "first_rollout_id", options.FirstRolloutId, "at least 0");
        Require(options.Sampling.MaxNewTokens >= 1, "max_new_tokens", options.Sampling.MaxNewTokens,
            "at least 1");
        _model = model;
        Options = options;
        _places = new(options.MaxConcurrentSamples);
        _groupCount = options.FirstRolloutId;
    }

    /// <summary>How it samples.</summary>
    public RolloutOptions Options { get; }

    /// <summary>Aborted groups that the next batch goes on with.</summary>
    public int PartialGroupCount
    {
        get
        {
            lock (_gate)
                return _partial.Count;
        }
    }

    /// <summary>All samples of a prompt, with their rewards.</summary>
    /// <param name="prompt">Given once to all of them.</param>
    /// <param name="cancellationToken">
    /// Aborts the samples; the group then has what they made, and is not thrown away.
    /// </param>
    public Task<RolloutGroup> RunGroupAsync(
        RolloutPrompt prompt, CancellationToken cancellationToken = default) =>
        RunAsync(NewGroup(prompt), cancellationToken);

    /// <summary>
    /// A batch of groups that pass the filter. Prompts are taken as they are needed; what runs beyond the
    /// batch when it is full is aborted, and kept for the next one where <see
    /// cref="RolloutOptions.KeepsPartial"/> says so.
    /// </summary>
    /// <param name="prompts">Where prompts come from; not disposed.</param>
    /// <param name="groupCount">Groups wanted; there are fewer where the prompts end.</param>
    /// <param name="cancellationToken">Aborts everything; the task is then cancelled.</param>
    public async Task<IReadOnlyList<RolloutGroup>> GenerateAsync(
        IEnumerator<RolloutPrompt> prompts, int groupCount, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(prompts);
        ArgumentOutOfRangeException.ThrowIfNegative(groupCount);
        using CancellationTokenSource stop =
            CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        List<RolloutGroup> batch = [];
        List<Task<RolloutGroup>> running = [];
        try
        {
            while (batch.Count < groupCount)
            {
                if (batch.Count + running.Count < groupCount)
                {
                    int count = Math.Max(groupCount, Options.OverSamplingGroups);
                    StartGroups(prompts, count, running, stop.Token);
                }
                if (running.Count == 0)
                    break;
                Task<RolloutGroup> ended = await Task.WhenAny(running).ConfigureAwait(false);
                running.Remove(ended);
                RolloutGroup group = await ended.ConfigureAwait(false);
                cancellationToken.ThrowIfCancellationRequested();
                if (Options.Filter?.Invoke(group) ?? true)
                    batch.Add(group);
            }
        }
        finally
        {
            await stop.CancelAsync().ConfigureAwait(false);
            await KeepPartialAsync(running).ConfigureAwait(false);
        }
        return batch;
    }

    /// <summary>
    /// Groups as they are made, for a trainer that updates the weights meanwhile. As many run at once as
    /// there are places for samples; where groups that are ready are not taken, no more are started. A group
    /// that is more than <see cref="RolloutOptions.MaxStaleness"/> updates behind when it is taken is not
    /// returned: its prompt is sampled anew.
    /// </summary>
    /// <param name="prompts">Where prompts come from; not disposed; never used by two threads at
    /// once.</param>
    public RolloutCollector Collect(IEnumerator<RolloutPrompt> prompts) => new(this, _model, prompts);

    /// <summary>One sample of each prompt with other parameters, beside whatever else runs.</summary>
    /// <param name="prompts">What to try.</param>
    /// <param name="sampling">For example greedy.</param>
    /// <param name="cancellationToken">Aborts the samples; the task is then cancelled.</param>
    public async Task<IReadOnlyList<RolloutSample>> EvaluateAsync(
        IEnumerable<RolloutPrompt> prompts, SamplingParams sampling,
        CancellationToken cancellationToken = default)
    {
        using RolloutSession evaluation = new(
            _model, Options with { Sampling = sampling, SamplesPerPrompt = 1, Filter = null });
        RolloutGroup[] groups = await Task
            .WhenAll(prompts.Select(prompt => evaluation.RunGroupAsync(prompt, cancellationToken)))
            .ConfigureAwait(false);
        cancellationToken.ThrowIfCancellationRequested();
        return [.. groups.Select(group => group.Samples[0])];
    }

    /// <summary>
    /// Log-probs of a sample's drawn tokens under the weights of now, by the sample's own parameters; 0 on
    /// tokens of the environment [ResponseLength].
    /// </summary>
    public Task<float[]> ScoreAsync(
        RolloutSample sample, CancellationToken cancellationToken = default) =>
        ScoreAsync(sample, version: null, cancellationToken);

    /// <summary>The same under the weights of one version.</summary>
    /// <param name="sample">What to score.</param>
    /// <param name="version">For example the sample's own; null is the present one.</param>
    /// <param name="cancellationToken">Ends the scoring.</param>
    /// <exception cref="WeightVersionMismatchException">The weights are of another version.</exception>
    public async Task<float[]> ScoreAsync(
        RolloutSample sample, string? version, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(sample);
        int[] tokens = [.. sample.Tokens];
        float[] scores = new float[sample.ResponseLength];
        foreach (Range turn in TurnsToScore(sample))
        {
            int start = turn.Start.Value, end = turn.End.Value;
            ScoredTokens scored = await (version is null
                ? _model.ScoreAsync(tokens.AsMemory(0, end), start, Options.Sampling, cancellationToken)
                : _model.ScoreAsync(
                    tokens.AsMemory(0, end), start, Options.Sampling, version, cancellationToken))
                .ConfigureAwait(false);
            foreach (Range drawn in sample.Turns)
            {
                for (int i = Math.Max(start, drawn.Start.Value); i < Math.Min(end, drawn.End.Value); i++)
                    scores[i - sample.PromptLength] = scored[i].LogProb!.Value;
            }
        }
        return scores;
    }

    /// <summary>Ends the session, once none of its calls is running.</summary>
    public void Dispose() => _places.Dispose();

    /// <summary>Runs a group's samples, new or aborted ones, and then its rewards.</summary>
    internal async Task<RolloutGroup> RunAsync(RolloutGroup group, CancellationToken cancellationToken)
    {
        await Task.WhenAll(group.Samples.Select(sample => RunSampleAsync(sample, cancellationToken)))
            .ConfigureAwait(false);
        if (!group.IsPartial && Options.GroupReward is { } reward)
            await reward(group, cancellationToken).ConfigureAwait(false);
        return group;
    }

    internal RolloutGroup NewGroup(RolloutPrompt prompt)
    {
        int[] tokens = _model.Encode(prompt);
        long id = Interlocked.Increment(ref _groupCount) - 1;
        int count = Options.SamplesPerPrompt;
        RolloutSample[] samples = new RolloutSample[count];
        for (int i = 0; i < count; i++)
        {
            samples[i] = new(prompt, tokens)
            {
                RolloutId = id,
                Index = i,
                SessionId = Options.Environment is null ? null : $"rollout-{id}-{i}",
                Seed = Options.Seed + (ulong)((id * count) + i),
            };
        }
        return new(id, prompt, samples);
    }

    private async Task RunSampleAsync(RolloutSample sample, CancellationToken cancellationToken)
    {
        if (sample.Status is not (RolloutStatus.Pending or RolloutStatus.Aborted))
            return;
        try
        {
            await _places.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            sample.Status = RolloutStatus.Aborted;
            return;
        }
        try
        {
            SampleRun run = new(_model, Options, sample);
            using CancellationTokenRegistration abort = cancellationToken.Register(run.Abort);
            await run.RunAsync(cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            _places.Release();
        }
    }

    private void StartGroups(
        IEnumerator<RolloutPrompt> prompts, int count, List<Task<RolloutGroup>> running,
        CancellationToken cancellationToken)
    {
        for (int i = 0; i < count; i++)
        {
            RolloutGroup? kept;
            lock (_gate)
                _partial.TryDequeue(out kept);
            if (kept is not null && Options.MasksOffPolicy)
            {
                foreach (RolloutSample sample in kept.Samples)
                    sample.MaskResponse();
            }
            if (kept is null && !prompts.MoveNext())
                return;
            running.Add(RunAsync(kept ?? NewGroup(prompts.Current), cancellationToken));
        }
    }

    private async Task KeepPartialAsync(List<Task<RolloutGroup>> running)
    {
        Task all = Task.WhenAll(running);
        await all.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (!Options.KeepsPartial)
            return;
        lock (_gate)
        {
            foreach (Task<RolloutGroup> ended in running.Where(ended => ended.IsCompletedSuccessfully))
                _partial.Enqueue(ended.Result);
        }
    }

    /// <summary>One pass scores all turns where nothing depends on which turn a token is of.</summary>
    private IEnumerable<Range> TurnsToScore(RolloutSample sample)
    {
        SamplingParams sampling = Options.Sampling;
        bool depends = sampling.RepetitionPenalty != 1 || sampling.FrequencyPenalty != 0
            || sampling.PresencePenalty != 0 || sampling.MinNewTokens > 0;
        return depends || sample.Turns.Count < 2
            ? sample.Turns
            : [sample.PromptLength..sample.Tokens.Count];
    }

    private static void Require<T>(bool holds, string option, T value, string allowed)
    {
        if (!holds)
            throw new OptionsException(option, $"{value} is not allowed; it must be {allowed}");
    }
}
