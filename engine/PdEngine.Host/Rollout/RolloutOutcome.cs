namespace PdEngine.Host;

/// <summary>What a rollout came to.</summary>
/// <param name="Environment">Its name.</param>
/// <param name="Samples">All of them, aborted ones too.</param>
/// <param name="Tally">Their turns.</param>
/// <param name="Seconds">From the first prompt to the last reward.</param>
internal sealed record RolloutOutcome(
    string Environment, IReadOnlyList<RolloutSample> Samples, RolloutTally Tally, double Seconds)
{
    /// <summary>Largest |score - rollout| of a drawn token; null where nothing was scored.</summary>
    public double? ScoreDifference { get; init; }

    /// <summary>Drawn tokens that were scored.</summary>
    public long ScoredTokens { get; init; }

    /// <summary>Those with a reward: neither aborted nor failed.</summary>
    public IReadOnlyList<RolloutSample> Ended { get; } =
        [.. Samples.Where(sample => sample.Status is RolloutStatus.Completed or RolloutStatus.Truncated)];

    public int SuccessCount => Ended.Count(RolloutGames.Succeeded);

    public double SuccessRate => Ended.Count == 0 ? 0 : SuccessCount / (double)Ended.Count;

    public double RewardMean => Ended.Count == 0 ? 0 : Ended.Average(sample => sample.Reward ?? 0);

    public double TurnsMean => Ended.Count == 0 ? 0 : Ended.Average(sample => sample.Turns.Count);

    public int MixedKvCount => Samples.Count(sample => sample.HasMixedKv);
}
