using System.Diagnostics;

namespace PdEngine.Host;

/// <summary>One rollout: its samples are made, watched and scored again.</summary>
internal sealed class RolloutRun : IDisposable
{
    /// <summary>Samples that share a task, at most.</summary>
    private const int MaxGroup = 4;

    /// <summary>Scored at once.</summary>
    private const int ScoreBatch = 256;

    private readonly RolloutGames _games;
    private readonly RolloutSession _session;
    private readonly Stopwatch _clock = new();
    private readonly Lock _gate = new();
    private readonly List<RolloutGroup> _ended = [];

    /// <param name="model">Plays.</param>
    /// <param name="games">What.</param>
    /// <param name="sampleCount">Samples in all.</param>
    /// <param name="sampling">How turns are drawn.</param>
    /// <param name="seed">Of the draws.</param>
    public RolloutRun(
        EngineModel model, RolloutGames games, int sampleCount, SamplingParams sampling, ulong seed)
    {
        (Model, _games, SampleCount) = (model, games, sampleCount);
        // Greedy samples of one task would be one sample several times.
        int mostShare = sampling.Temperature == 0 ? 1 : MaxGroup;
        GroupSize = Enumerable.Range(1, mostShare).Last(size => sampleCount % size == 0);
        _session = new RolloutSession(model, new RolloutOptions
        {
            SamplesPerPrompt = GroupSize,
            Sampling = sampling,
            Seed = seed,
            Environment = games.AnswerAsync,
            TurnEnded = Tally.Add,
        });
    }

    public EngineModel Model { get; }

    public RolloutTally Tally { get; } = new();

    public int SampleCount { get; }

    /// <summary>Samples of one task.</summary>
    public int GroupSize { get; }

    public double Seconds => _clock.Elapsed.TotalSeconds;

    /// <summary>Groups that have ended, in the order in which they did, from the given one on.</summary>
    public RolloutGroup[] EndedFrom(int first)
    {
        lock (_gate)
            return [.. _ended.Skip(first)];
    }

    /// <summary>Makes the samples; aborts them where it is cancelled, and keeps what they have.</summary>
    public async Task<RolloutOutcome> PlayAsync(
        string environment, IRolloutView view, CancellationToken cancellation)
    {
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        _clock.Start();
        Task<RolloutGroup[]> playing = Task.WhenAll(
            _games.Tasks(SampleCount / GroupSize).Select(task => PlayAsync(task, stop.Token)));
        Task ending = StopClockAsync(playing);
        try
        {
            await view.ShowAsync(this, ending).ConfigureAwait(false);
        }
        finally
        {
            // Nothing may run on where nobody can be shown it, as when a pipe is closed.
            await stop.CancelAsync().ConfigureAwait(false);
            await ending.ConfigureAwait(false);
        }
        RolloutGroup[] groups = await playing.ConfigureAwait(false);
        RolloutSample[] samples = [.. groups.SelectMany(group => group.Samples)];
        return new RolloutOutcome(environment, samples, Tally, Seconds);
    }

    /// <summary>Scores every drawn token anew and compares.</summary>
    public async Task<RolloutOutcome> ScoreAsync(RolloutOutcome outcome, CancellationToken cancellation)
    {
        double most = 0;
        long tokens = 0;
        RolloutSample[] scored =
            [.. outcome.Samples.Where(sample => sample.Turns.Count > 0 && !sample.HasMixedKv)];
        foreach (RolloutSample[] batch in scored.Chunk(ScoreBatch))
        {
            float[][] scores = await Task.WhenAll(batch.Select(
                sample => _session.ScoreAsync(sample, cancellation))).ConfigureAwait(false);
            for (int index = 0; index < batch.Length; index++)
                most = Math.Max(most, Difference(batch[index], scores[index], ref tokens));
        }
        return outcome with { ScoreDifference = tokens == 0 ? null : most, ScoredTokens = tokens };
    }

    public void Dispose() => _session.Dispose();

    private static double Difference(RolloutSample sample, float[] scores, ref long tokens)
    {
        double most = 0;
        for (int at = 0; at < scores.Length; at++)
        {
            if (sample.LossMask[at] == 0)
                continue;
            tokens++;
            // Two infinities of one sign are equal, and their difference would be no number.
            if (!scores[at].Equals(sample.LogProbs[at]))
                most = Math.Max(most, Math.Abs((double)scores[at] - sample.LogProbs[at]));
        }
        return most;
    }

    private async Task<RolloutGroup> PlayAsync(RolloutPrompt task, CancellationToken cancellation)
    {
        RolloutGroup group = await _session.RunGroupAsync(task, cancellation).ConfigureAwait(false);
        lock (_gate)
            _ended.Add(group);
        return group;
    }

    private async Task StopClockAsync(Task playing)
    {
        await playing.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _clock.Stop();
    }
}
