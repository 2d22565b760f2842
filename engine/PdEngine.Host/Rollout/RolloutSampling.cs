namespace PdEngine.Host;

/// <summary>What turns can be drawn with: told before a model is loaded for it.</summary>
internal static class RolloutSampling
{
    /// <exception cref="OptionsException">Nothing could be drawn.</exception>
    public static void Check(SamplingParams sampling)
    {
        Require(sampling.Temperature >= 0 && float.IsFinite(sampling.Temperature),
            "--temperature", sampling.Temperature, "at least 0");
        Require(sampling.TopP is > 0 and <= 1, "--top-p", sampling.TopP, "above 0 and at most 1");
        Require(sampling.TopK is -1 or >= 1, "--top-k", sampling.TopK, "-1 (all) or at least 1");
        Require(sampling.MinP is >= 0 and <= 1, "--min-p", sampling.MinP, "in 0 to 1");
        Require(sampling.RepetitionPenalty > 0 && float.IsFinite(sampling.RepetitionPenalty),
            "--repetition-penalty", sampling.RepetitionPenalty, "above 0");
        Require(sampling.FrequencyPenalty is >= -2 and <= 2,
            "--frequency-penalty", sampling.FrequencyPenalty, "in -2 to 2");
        Require(sampling.PresencePenalty is >= -2 and <= 2,
            "--presence-penalty", sampling.PresencePenalty, "in -2 to 2");
        Require(sampling.MaxNewTokens >= 1,
            "--max-new-tokens", sampling.MaxNewTokens, "at least 1: a turn without tokens says nothing");
        Require(sampling.MinNewTokens >= 0 && sampling.MinNewTokens <= sampling.MaxNewTokens,
            "--min-new-tokens", sampling.MinNewTokens, $"in 0 to --max-new-tokens ({sampling.MaxNewTokens})");
    }

    private static void Require(bool isGood, string flag, double value, string range)
    {
        if (!isGood)
            throw new OptionsException(flag, FormattableString.Invariant($"{value} is not {range}"));
    }
}
