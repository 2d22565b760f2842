namespace PdEngine;

/// <summary>The samples of one prompt.</summary>
/// <param name="Id">Their <see cref="RolloutSample.RolloutId"/>.</param>
/// <param name="Prompt">Where they come from.</param>
/// <param name="Samples">All of them, in order of their index.</param>
public sealed record RolloutGroup(long Id, RolloutPrompt Prompt, IReadOnlyList<RolloutSample> Samples)
{
    /// <summary>Some sample was aborted: the group can be gone on with, but not trained on.</summary>
    public bool IsPartial => Samples.Any(sample => sample.Status == RolloutStatus.Aborted);

    /// <summary>Standard deviation of the rewards over the whole group; a missing one counts as 0.</summary>
    public double RewardDeviation
    {
        get
        {
            double mean = Samples.Average(sample => sample.Reward ?? 0);
            return Math.Sqrt(Samples.Average(sample => Math.Pow((sample.Reward ?? 0) - mean, 2)));
        }
    }

    /// <summary>
    /// Keeps groups whose rewards differ: the others say nothing to a trainer that compares samples with each
    /// other. For <see cref="RolloutOptions.Filter"/>; slime's <c>check_reward_nonzero_std</c>.
    /// </summary>
    public static bool HasRewardSpread(RolloutGroup group)
    {
        ArgumentNullException.ThrowIfNull(group);
        return group.RewardDeviation > 1e-6;
    }
}
