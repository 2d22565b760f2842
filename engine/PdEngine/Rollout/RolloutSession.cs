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
    private readonly KeptGroups _kept = new();
    private readonly string _name;
    private long _groupCount;
    private int _evaluationCount;

    /// <param name="model">Samples; not owned.</param>
    /// <param name="options">How.</param>
    /// <exception cref="OptionsException">An option has a value that no rollout can have.</exception>
    public RolloutSession(EngineModel model, RolloutOptions options)
        : this(model, options, name: null)
    {
    }

    private RolloutSession(EngineModel model, RolloutOptions options, string? name)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        _model = model;
        // Two sessions' samples of one id would count as turns of one.
        _name = name ?? $"rollout-{model.NextRolloutNumber()}";
        Options = options;
        _places = new(options.MaxConcurrentSamples);
        _groupCount = options.FirstRolloutId;
    }

    /// <summary>How it samples.</summary>
    public RolloutOptions Options { get; }

    /// <summary>
    /// Groups kept for the next batch: aborted ones, which it goes on with, and finished ones, which it takes
    /// as they are.
    /// </summary>
    public int PartialGroupCount => _kept.Count;

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
    /// cref="RolloutOptions.KeepsPartial"/> says so. Where the call fails or is cancelled, groups that had
    /// finished are kept in any case.
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
        List<RolloutGroup> batch = _kept.TakePassed(groupCount);
        batch.ForEach(MaskOffPolicy);
        List<GroupRun> running = [];
        bool hasEnded = false;
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
                await Task.WhenAny(running.Select(run => run.Ending)).ConfigureAwait(false);
                cancellationToken.ThrowIfCancellationRequested();
                GroupRun ended = running.Find(run => run.Ending.IsCompleted)!;
                RolloutGroup group = await ended.Ending.ConfigureAwait(false);
                bool passes = Options.Filter?.Invoke(group) ?? true;
                running.Remove(ended);
                if (passes)
                    batch.Add(group);
            }
            hasEnded = true;
        }
        finally
        {
            await stop.CancelAsync().ConfigureAwait(false);
            await _kept.KeepAsync(running, Options.KeepsPartial, hasEnded).ConfigureAwait(false);
            if (!hasEnded)
                _kept.KeepPassed(batch);
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

    /// <summary>
    /// One sample of each prompt with other parameters, beside whatever else runs. The environment gives the
    /// rewards: <see cref="RolloutOptions.GroupReward"/> and the filter are training's.
    /// </summary>
    /// <param name="prompts">What to try.</param>
    /// <param name="sampling">For example greedy.</param>
    /// <param name="cancellationToken">Aborts the samples; the task is then cancelled.</param>
    public async Task<IReadOnlyList<RolloutSample>> EvaluateAsync(
        IEnumerable<RolloutPrompt> prompts, SamplingParams sampling,
        CancellationToken cancellationToken = default)
    {
        RolloutOptions options = Options with
        {
            Sampling = sampling, SamplesPerPrompt = 1, Filter = null, GroupReward = null,
        };
        // Under training's session ids its turns would go where training's are, and move those.
        int number = Interlocked.Increment(ref _evaluationCount);
        using RolloutSession evaluation = new(_model, options, $"{_name}-evaluation-{number}");
        RolloutGroup[] groups = await Task
            .WhenAll(prompts.Select(prompt => evaluation.RunGroupAsync(prompt, cancellationToken)))
            .ConfigureAwait(false);
        cancellationToken.ThrowIfCancellationRequested();
        return [.. groups.Select(group => group.Samples[0])];
    }

    /// <summary>
    /// Log-probs of a sample's drawn tokens under the weights that made it, by the sample's own parameters:
    /// bit for bit what the rollout reported; 0 on tokens of the environment [ResponseLength].
    /// </summary>
    /// <param name="sample">What to score; all of it, its K and V too, of the present weights.</param>
    /// <param name="cancellationToken">Ends the scoring.</param>
    /// <exception cref="WeightVersionMismatchException">
    /// Other weights made some of it, or come meanwhile: nothing gives its log-probs again. See
    /// <see cref="ScoreByPresentAsync"/>.
    /// </exception>
    public Task<float[]> ScoreAsync(
        RolloutSample sample, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(sample);
        return ScoreAsync(sample, sample.WeightVersion ?? _model.WeightVersion, cancellationToken);
    }

    /// <summary>The same where the sample must be of one version.</summary>
    /// <param name="sample">What to score.</param>
    /// <param name="version">Of all its tokens, and of the service's weights.</param>
    /// <param name="cancellationToken">Ends the scoring.</param>
    /// <exception cref="WeightVersionMismatchException">
    /// The sample or the weights are of another version.
    /// </exception>
    public Task<float[]> ScoreAsync(
        RolloutSample sample, string version, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(sample);
        ArgumentNullException.ThrowIfNull(version);
        sample.ThrowUnlessOf(version, _model.WeightVersion);
        return ScoreByAsync(sample, version, cancellationToken);
    }

    /// <summary>
    /// Log-probs of a sample's drawn tokens under the service's present weights, whatever made them, as a
    /// reference or an update asks for; 0 on tokens of the environment [ResponseLength].
    /// </summary>
    /// <param name="sample">What to score; another service may have made it.</param>
    /// <param name="cancellationToken">Ends the scoring.</param>
    /// <exception cref="WeightVersionMismatchException">Other weights came meanwhile.</exception>
    public Task<float[]> ScoreByPresentAsync(
        RolloutSample sample, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(sample);
        return ScoreByAsync(sample, _model.WeightVersion, cancellationToken);
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
                SessionId = Options.Environment is null ? null : $"{_name}-{id}-{i}",
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
        IEnumerator<RolloutPrompt> prompts, int count, List<GroupRun> running,
        CancellationToken cancellationToken)
    {
        for (int i = 0; i < count; i++)
        {
            bool isKept = _kept.TryTake(out RolloutGroup? group, out bool isFinished);
            if (!isKept && !prompts.MoveNext())
                return;
            group ??= NewGroup(prompts.Current);
            if (isKept)
                MaskOffPolicy(group);
            running.Add(new(
                group, isFinished ? Task.FromResult(group) : RunAsync(group, cancellationToken)));
        }
    }

    private void MaskOffPolicy(RolloutGroup kept)
    {
        if (!Options.MasksOffPolicy)
            return;
        string present = _model.WeightVersion;
        foreach (RolloutSample sample in kept.Samples)
            sample.MaskAllBut(present);
    }

    private async Task<float[]> ScoreByAsync(
        RolloutSample sample, string version, CancellationToken cancellationToken)
    {
        int[] tokens = [.. sample.Tokens];
        float[] scores = new float[sample.ResponseLength];
        foreach (Range turn in TurnsToScore(sample))
        {
            int start = turn.Start.Value, end = turn.End.Value;
            ScoredTokens scored = await _model
                .ScoreAsync(tokens.AsMemory(0, end), start, Options.Sampling, version, cancellationToken)
                .ConfigureAwait(false);
            foreach (Range drawn in sample.Turns)
            {
                for (int i = Math.Max(start, drawn.Start.Value); i < Math.Min(end, drawn.End.Value); i++)
                    scores[i - sample.PromptLength] = scored[i].LogProb!.Value;
            }
        }
        return scores;
    }

    /// <summary>One pass scores all turns where nothing depends on which turn a token is of.</summary>
    private Range[] TurnsToScore(RolloutSample sample)
    {
        SamplingParams sampling = Options.Sampling;
        bool depends = sampling.RepetitionPenalty != 1 || sampling.FrequencyPenalty != 0
            || sampling.PresencePenalty != 0 || sampling.MinNewTokens > 0;
        Range[] made = [.. sample.Turns.Where(turn => !turn.Start.Equals(turn.End))];
        return depends || made.Length < 2 ? made : [sample.PromptLength..made[^1].End.Value];
    }
}
