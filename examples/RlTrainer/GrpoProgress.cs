namespace PdEngine.Examples;

/// <summary>One step of a run, as it is shown and written down.</summary>
/// <param name="Step">From 1.</param>
/// <param name="Played">What it learned from.</param>
/// <param name="Update">What was learned.</param>
/// <param name="LearningRate">Of the step.</param>
/// <param name="Seconds">Where the time went.</param>
/// <param name="Evaluation">Of the weights before the update, greedily; null in most steps.</param>
internal sealed record GrpoProgress(
    int Step, RolloutTally Played, GrpoOutcome Update, double LearningRate, StepSeconds Seconds,
    Skill? Evaluation)
{
    /// <summary>Tokens that the model wrote, by the time in which it could.</summary>
    public double TokensPerSecond => Update.Batch.ResponseTokens / Seconds.Rollout;
}

/// <summary>Where a step's time went.</summary>
/// <param name="Play">Until its episodes were there, scores included.</param>
/// <param name="Train">Of gradient and update.</param>
/// <param name="Push">Until the engine had the new weights.</param>
/// <param name="Rollout">
/// In which the engine could play: the whole step where it plays beside training.
/// </param>
internal readonly record struct StepSeconds(double Play, double Train, double Push, double Rollout);
