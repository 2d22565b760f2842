using System.Diagnostics;

namespace PdEngine.Examples;

/// <summary>A run of GRPO.</summary>
/// <param name="Steps">Most updates.</param>
/// <param name="Minutes">Ends the run in time; the learning rate then falls with the clock.</param>
/// <param name="Groups">Tasks of a step.</param>
/// <param name="SamplesPerGroup">Episodes of each.</param>
/// <param name="LearningRate">The largest.</param>
/// <param name="WarmUpSteps">Steps until it is reached.</param>
/// <param name="Seed">Of tasks and draws.</param>
/// <param name="CheckpointSteps">Steps between two checkpoints.</param>
internal sealed record GrpoRunOptions(
    int Steps = 300, double? Minutes = null, int Groups = 32, int SamplesPerGroup = 16,
    double LearningRate = 4e-4, int WarmUpSteps = 10, int Seed = 1, int CheckpointSteps = 50);

/// <summary>One step of a run, as it is shown and written down.</summary>
/// <param name="Step">From 1.</param>
/// <param name="Skill">Means over the step's episodes.</param>
/// <param name="Update">What was learned.</param>
/// <param name="LearningRate">Of the step.</param>
/// <param name="PlaySeconds">Of the rollout.</param>
/// <param name="TrainSeconds">Of gradient and update.</param>
/// <param name="PushSeconds">Until the player had the new weights.</param>
/// <param name="SampledTokens">That the model wrote.</param>
internal readonly record struct GrpoProgress(
    int Step, Skill Skill, GrpoOutcome Update, double LearningRate, double PlaySeconds, double TrainSeconds,
    double PushSeconds, int SampledTokens)
{
    public double TokensPerSecond => SampledTokens / PlaySeconds;
}

/// <summary>The loop: roll out, train, push; every episode is of the weights that it trains.</summary>
/// <param name="trainer">Moved.</param>
/// <param name="player">Plays with the weights that were pushed last.</param>
/// <param name="environment">The tasks.</param>
/// <param name="options">Of the run.</param>
/// <param name="step">Of each update.</param>
/// <param name="reference">The frozen weights, where the loss has a KL term.</param>
internal sealed class GrpoRun(
    Trainer trainer, IPlayer player, IEnvironment environment, GrpoRunOptions options, GrpoOptions step,
    Trainer? reference)
{
    /// <summary>The optimiser that the run is meant for.</summary>
    public static AdamWOptions Optimiser { get; } = new(Beta2: 0.99, MaxGradientNorm: 0.5);

    /// <param name="firstStep">Steps that an earlier run has done.</param>
    /// <param name="report">Hears of every step.</param>
    /// <param name="cancellation">Ends the run after the step that is running.</param>
    /// <returns>Steps done in all.</returns>
    public int Run(int firstStep, Action<GrpoProgress> report, CancellationToken cancellation)
    {
        Stopwatch clock = Stopwatch.StartNew();
        player.Load(trainer.Pushed);
        int done = firstStep;
        while (done < options.Steps && !cancellation.IsCancellationRequested)
        {
            double progress = options.Minutes is { } minutes
                ? clock.Elapsed.TotalMinutes / minutes
                : (double)done / options.Steps;
            if (progress >= 1)
                break;
            double rate = LearningRate.Linear(options.LearningRate, done, options.WarmUpSteps, progress);
            report(Step(done, rate));
            done++;
        }
        return done;
    }

    private GrpoProgress Step(int index, double learningRate)
    {
        Stopwatch clock = Stopwatch.StartNew();
        List<IEpisode> episodes = [];
        for (int group = 0; group < options.Groups; group++)
        {
            for (int sample = 0; sample < options.SamplesPerGroup; sample++)
                episodes.Add(environment.Start((index * options.Groups) + group));
        }
        ulong seed = ((ulong)options.Seed << 32) + (ulong)index;
        IReadOnlyList<PlayedEpisode> played = player.Play(episodes, step.Temperature, seed);
        double playSeconds = clock.Elapsed.TotalSeconds;
        List<RolledSample> samples = [];
        for (int sample = 0; sample < played.Count; sample++)
        {
            int group = sample / options.SamplesPerGroup;
            samples.Add(new(group, played[sample].Sequence, played[sample].Reward));
        }
        GrpoOutcome update = GrpoStep.Run(trainer, samples, step, learningRate, reference);
        double trainedSeconds = clock.Elapsed.TotalSeconds;
        player.Load(trainer.Pushed);
        return new(
            index + 1, Skill.Of(played), update, learningRate, playSeconds, trainedSeconds - playSeconds,
            clock.Elapsed.TotalSeconds - trainedSeconds, update.Batch.ResponseTokens);
    }
}
