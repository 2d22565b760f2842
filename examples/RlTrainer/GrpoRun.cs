using System.Diagnostics;
using System.Globalization;

namespace PdEngine.Examples;

/// <summary>
/// The loop: roll out, train, push. Every sample is of the weights that it trains, or, where rollouts run
/// beside training, of at most so many updates before.
/// </summary>
/// <param name="trainer">Moved.</param>
/// <param name="model">Plays with the weights that were pushed last; not owned.</param>
/// <param name="reference">Frozen; scores for the KL term. Null where there is none; not owned.</param>
/// <param name="environment">The tasks.</param>
/// <param name="options">Of the run.</param>
/// <param name="step">Of each update.</param>
internal sealed class GrpoRun(
    Trainer trainer, EngineModel model, EngineModel? reference, IEnvironment environment,
    GrpoRunOptions options, GrpoOptions step)
{
    /// <summary>The optimiser that the run is meant for.</summary>
    public static AdamWOptions Optimiser { get; } = new(Beta2: 0.99, MaxGradientNorm: 0.5);

    /// <summary>
    /// Runs on a thread of its own, to whose core the trainer's ops hold it; it waits for the engine.
    /// </summary>
    /// <param name="firstStep">Steps that an earlier run has done.</param>
    /// <param name="report">Hears of every step.</param>
    /// <param name="cancellation">Ends the run after the step that is running.</param>
    /// <returns>Steps done in all.</returns>
    /// <exception cref="OptionsException">The options are of no run.</exception>
    public int Run(int firstStep, Action<GrpoProgress> report, CancellationToken cancellation)
    {
        options.Check();
        step.Check();
        Check.That(step.KlWeight == 0 || reference is not null);
        Stopwatch clock = Stopwatch.StartNew();
        using GamePlayer player = new(model, reference, environment, options, step.Temperature, firstStep);
        Push(firstStep);
        RolloutCollector? collector = options.IsAsync ? player.Collect(firstStep) : null;
        try
        {
            int done = firstStep;
            while (done < options.Steps && !cancellation.IsCancellationRequested)
            {
                double spent = options.Minutes is { } most ? clock.Elapsed.TotalMinutes / most : 0;
                if (spent >= 1)
                    break;
                double progress = Math.Max(spent, (double)done / options.Steps);
                double rate = LearningRate.Linear(options.LearningRate, done, options.WarmUpSteps, progress);
                report(Step(player, collector, done, rate));
                done++;
            }
            return done;
        }
        finally
        {
            collector?.DisposeAsync().AsTask().GetAwaiter().GetResult();
        }
    }

    private GrpoProgress Step(GamePlayer player, RolloutCollector? collector, int done, double learningRate)
    {
        Stopwatch clock = Stopwatch.StartNew();
        // The weights stay as they are until both have ended.
        Task<Skill>? evaluation = done % options.EvaluationSteps == 0
            ? Skill.EvaluateAsync(model, environment)
            : null;
        IReadOnlyList<RolloutGroup> groups = collector is null
            ? Wait(player.PlayAsync(done))
            : Take(collector);
        Skill? evaluated = evaluation is null ? null : Wait(evaluation);
        RolloutSample[] samples = [.. groups.SelectMany(group => group.Samples)];
        ThrowIfFailed(samples);
        int staleness = samples.Max(StalenessOf);
        RolloutTally played = RolloutTally.Of(samples, staleness);
        List<RolledSample> rolled = Rolled(groups, player);
        double playSeconds = clock.Elapsed.TotalSeconds;
        GrpoOutcome update = GrpoStep.Run(trainer, rolled, step, learningRate);
        double trainedSeconds = clock.Elapsed.TotalSeconds;
        Push(done + 1);
        double seconds = clock.Elapsed.TotalSeconds;
        return new(
            done + 1, played, update, learningRate,
            new(
                playSeconds, trainedSeconds - playSeconds, seconds - trainedSeconds,
                Rollout: collector is null ? playSeconds : seconds),
            evaluated);
    }

    private List<RolloutGroup> Take(RolloutCollector collector)
    {
        List<RolloutGroup> groups = [];
        while (groups.Count < options.Groups)
            groups.Add(Wait(collector.TakeAsync().AsTask())!);
        return groups;
    }

    private List<RolledSample> Rolled(IReadOnlyList<RolloutGroup> groups, GamePlayer player)
    {
        List<RolledSample> rolled = [];
        for (int group = 0; group < groups.Count; group++)
        {
            foreach (RolloutSample sample in groups[group].Samples)
                rolled.Add(new(group, EpisodeRollout.SequenceOf(sample), (float)(sample.Reward ?? 0)));
        }
        if (step.KlWeight == 0)
            return rolled;
        RolloutSample[] samples = [.. groups.SelectMany(group => group.Samples)];
        float[][] scores = Wait(player.ScoreReferenceAsync(samples));
        for (int index = 0; index < scores.Length; index++)
        {
            rolled[index].Sequence.ReferenceLogProbs =
                [.. new float[samples[index].PromptLength], .. scores[index]];
        }
        return rolled;
    }

    /// <summary>Gives the engine the trainer's weights, from memory, under the number of updates.</summary>
    private void Push(int done)
    {
        using WeightUpdate update = trainer.ToUpdate(done.ToString(CultureInfo.InvariantCulture));
        Wait(model.UpdateWeightsAsync(update, new() { Mode = options.PauseMode }));
    }

    private static T Wait<T>(Task<T> task) => task.GetAwaiter().GetResult();

    private int StalenessOf(RolloutSample sample) =>
        sample.WeightVersions.Count == 0 ? 0 : model.UpdatesSince(sample.WeightVersions[0].Version);

    private static void ThrowIfFailed(RolloutSample[] samples)
    {
        RolloutSample? failed = samples.FirstOrDefault(
            sample => sample.Status is RolloutStatus.Failed or RolloutStatus.Aborted);
        if (failed is not null)
            throw failed.Error ?? new RolloutException($"a sample was {failed.Status}");
    }
}
