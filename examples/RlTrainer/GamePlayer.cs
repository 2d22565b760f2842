namespace PdEngine.Examples;

/// <summary>Plays an environment's tasks with a service of the engine, and scores what it played.</summary>
internal sealed class GamePlayer : IDisposable
{
    private readonly EngineModel _model;
    private readonly IEnvironment _environment;
    private readonly int _groups;
    private readonly RolloutSession _session;
    private readonly RolloutSession? _reference;

    /// <param name="model">Plays; not owned.</param>
    /// <param name="reference">Scores for the KL term; null where there is none. Not owned.</param>
    /// <param name="environment">The tasks.</param>
    /// <param name="options">How many of them, and their seed.</param>
    /// <param name="temperature">Of the draws.</param>
    /// <param name="firstStep">Steps that an earlier run has done.</param>
    public GamePlayer(
        EngineModel model, EngineModel? reference, IEnvironment environment, GrpoRunOptions options,
        float temperature, int firstStep)
    {
        (_model, _environment, _groups) = (model, environment, options.Groups);
        int samples = options.Groups * options.SamplesPerGroup;
        RolloutOptions rollout = OptionsFor(temperature) with
        {
            SamplesPerPrompt = options.SamplesPerGroup,
            GroupReward = ScoreOneAsync,
            Seed = (ulong)options.Seed << 32,
            FirstRolloutId = (long)firstStep * options.Groups,
            MaxConcurrentSamples = samples,
            MaxStaleness = options.MaxStaleness,
            // What waits here grows old: only a higher bound on staleness gives it time.
            QueuedGroups = Math.Max(1, options.Groups * (options.MaxStaleness - 1)),
        };
        _session = new(model, rollout);
        _reference = reference is null ? null : new(reference, rollout with { GroupReward = null });
    }

    /// <summary>How an episode is played.</summary>
    public static RolloutOptions OptionsFor(float temperature) => new()
    {
        Sampling = new() { Temperature = temperature, MaxNewTokens = 64 },
        Environment = EpisodeRollout.AnswerAsync,
    };

    /// <summary>Plays the tasks of one step, all at once.</summary>
    public async Task<IReadOnlyList<RolloutGroup>> PlayAsync(int step)
    {
        List<Task<RolloutGroup>> running = [];
        foreach (RolloutPrompt task in Tasks(step).Take(_groups))
            running.Add(_session.RunGroupAsync(task));
        return await Task.WhenAll(running);
    }

    /// <summary>Plays the tasks of a step and all later ones until it is disposed of.</summary>
    public RolloutCollector Collect(int firstStep) => _session.Collect(Tasks(firstStep).GetEnumerator());

    /// <summary>Log-probs of samples under the reference's weights [ResponseLength].</summary>
    public Task<float[][]> ScoreReferenceAsync(IReadOnlyList<RolloutSample> samples) =>
        Task.WhenAll(samples.Select(sample => _reference!.ScoreByPresentAsync(sample)));

    public void Dispose()
    {
        _session.Dispose();
        _reference?.Dispose();
    }

    private IEnumerable<RolloutPrompt> Tasks(int firstStep)
    {
        for (int seed = firstStep * _groups; ; seed++)
        {
            int own = seed;
            yield return EpisodeRollout.PromptOf(() => _environment.Start(own));
        }
    }

    /// <summary>
    /// Scores a sample of each group as soon as it has been played, while the weights are still those that
    /// played it: another sample of each group, so that all places come up.
    /// </summary>
    private async ValueTask ScoreOneAsync(RolloutGroup group, CancellationToken cancellation)
    {
        string present = _model.WeightVersion;
        int count = group.Samples.Count;
        for (int offset = 0; offset < count; offset++)
        {
            RolloutSample sample = group.Samples[(int)((group.Id + offset) % count)];
            if (sample.HasMixedKv || sample.WeightVersions is not [{ } made] || made.Version != present)
                continue;
            try
            {
                float[] scores = await _session.ScoreAsync(sample, present, cancellation);
                PlayedEpisode.Of(sample).Compare(scores, sample.LogProbs);
            }
            catch (WeightVersionMismatchException)
            {
                // The next weights came first: nothing gives this group's log-probs any more.
            }
            return;
        }
    }
}
