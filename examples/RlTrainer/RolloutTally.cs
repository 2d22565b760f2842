namespace PdEngine.Examples;

/// <summary>What a step's samples came to.</summary>
/// <param name="Skill">Means over them.</param>
/// <param name="ScoreDifference">
/// Largest |score - rollout| of those that were scored; null where none could be.
/// </param>
/// <param name="MixedKvSamples">How many had weights swapped under them.</param>
/// <param name="Staleness">Updates since the oldest token was drawn.</param>
/// <param name="FirstTokenMs">From a turn to its first token, mean.</param>
/// <param name="CacheHitShare">Of all turns' prompt tokens, what the prefix cache supplied.</param>
internal sealed record RolloutTally(
    Skill Skill, double? ScoreDifference, int MixedKvSamples, int Staleness, double FirstTokenMs,
    double CacheHitShare)
{
    /// <summary>Of whole groups.</summary>
    /// <param name="samples">All of them.</param>
    /// <param name="staleness">See <see cref="Staleness"/>.</param>
    public static RolloutTally Of(IReadOnlyList<RolloutSample> samples, int staleness)
    {
        long firstTokenNs = samples.Sum(
            sample => sample.Timings.PrefillQueueNs + sample.Timings.PrefillForwardNs);
        return new(
            Skill.Of(samples), samples.Max(sample => PlayedEpisode.Of(sample).ScoreDifference),
            samples.Count(sample => sample.HasMixedKv), staleness,
            firstTokenNs / 1e6 / samples.Sum(sample => sample.Turns.Count),
            (double)samples.Sum(sample => sample.CachedTokens) / samples.Sum(sample => sample.PromptTokens));
    }
}
