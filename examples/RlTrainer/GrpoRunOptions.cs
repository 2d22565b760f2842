namespace PdEngine.Examples;

/// <summary>A run of GRPO.</summary>
/// <param name="Steps">Most updates.</param>
/// <param name="Minutes">
/// Ends the run in time; the learning rate then falls with the clock, where that is faster.
/// </param>
/// <param name="Groups">Tasks of a step.</param>
/// <param name="SamplesPerGroup">Episodes of each.</param>
/// <param name="LearningRate">The largest.</param>
/// <param name="WarmUpSteps">Steps until it is reached.</param>
/// <param name="Seed">Of tasks and draws.</param>
/// <param name="CheckpointSteps">Steps between two checkpoints.</param>
/// <param name="EvaluationSteps">Steps between two greedy evaluations.</param>
/// <param name="IsAsync">Episodes are played while the trainer learns from earlier ones.</param>
/// <param name="MaxStaleness">How many updates those may be behind.</param>
/// <param name="PauseMode">What becomes of episodes under way when weights are pushed.</param>
internal sealed record GrpoRunOptions(
    int Steps = 300, double? Minutes = null, int Groups = 32, int SamplesPerGroup = 16,
    double LearningRate = 4e-4, int WarmUpSteps = 10, int Seed = 1, int CheckpointSteps = 50,
    int EvaluationSteps = 25, bool IsAsync = false, int MaxStaleness = 1,
    PauseMode PauseMode = PauseMode.InPlace)
{
    private const double MostMinutes = 1e6;

    /// <exception cref="OptionsException">A run cannot be of these.</exception>
    public void Check()
    {
        FlagRange.Check("--steps", Steps, 1, int.MaxValue);
        if (Minutes is { } minutes)
            FlagRange.CheckPositive("--minutes", minutes, MostMinutes);
        FlagRange.CheckPositive("--learning-rate", LearningRate, 1);
        FlagRange.Check("--max-staleness", MaxStaleness, 0, int.MaxValue);
        FlagRange.Check(nameof(Groups), Groups, 1, int.MaxValue);
        FlagRange.Check(nameof(SamplesPerGroup), SamplesPerGroup, 1, int.MaxValue);
        FlagRange.Check(nameof(WarmUpSteps), WarmUpSteps, 0, int.MaxValue);
        FlagRange.Check(nameof(CheckpointSteps), CheckpointSteps, 1, int.MaxValue);
        FlagRange.Check(nameof(EvaluationSteps), EvaluationSteps, 1, int.MaxValue);
    }
}
