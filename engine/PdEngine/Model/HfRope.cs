namespace PdEngine;

/// <summary>
/// Reads rotary embedding from config.json, as transformers 4 (rope_scaling) and 5 (rope_parameters) write
/// it.
/// </summary>
internal static class HfRope
{
    private const double MaxTheta = 1e15;
    private const double MaxFactor = 1e6;

    /// <summary>The rope table, and how many positions the model takes under it.</summary>
    public static (RopeConfig Rope, int MaxPositions) Read(
        string path, ConfigSection config, int headDim, int maxPositions)
    {
        ConfigSection? scaling = config.Section("rope_parameters") ?? config.Section("rope_scaling");
        double theta = scaling?.OptionalNumber("rope_theta", 1, MaxTheta)
            ?? config.OptionalNumber("rope_theta", 1, MaxTheta) ?? 10_000;
        RefusePartial(config);
        if (scaling is null)
            return (RopeScaling.Rounded(path, RopeScaling.Plain(headDim, theta), 1), maxPositions);
        RefusePartial(scaling);
        if (scaling.Has("full_attention") || scaling.Has("sliding_attention"))
            throw config.Fault("rope parameters per layer type are not supported");
        string kind = scaling.Text("rope_type") ?? scaling.Text("type") ?? "default";
        switch (kind)
        {
            case "default":
                return (RopeScaling.Rounded(path, RopeScaling.Plain(headDim, theta), 1), maxPositions);
            case "linear":
                double[] linear = RopeScaling.Linear(headDim, theta, scaling.Number("factor", 1, MaxFactor));
                return (RopeScaling.Rounded(path, linear, 1), maxPositions);
            case "dynamic":
                // Its frequencies depend on the length only beyond the original context, where the same token
                // would need new keys at every length: the model is served up to there, and there it is
                // exact.
                int original = OriginalPositions(scaling, maxPositions);
                return (RopeScaling.Rounded(path, RopeScaling.Plain(headDim, theta), 1),
                    Math.Min(original, maxPositions));
            case "llama3":
                return (ReadLlama3(path, scaling, headDim, theta, maxPositions), maxPositions);
            case "yarn":
                return ReadYarn(path, scaling, headDim, theta, maxPositions);
            default:
                throw config.Fault($"rope kind '{Shown.Line(kind)}' is not supported; " +
                                   "default, linear, dynamic, llama3 and yarn are");
        }
    }

    private static RopeConfig ReadLlama3(
        string path, ConfigSection scaling, int headDim, double theta, int maxPositions)
    {
        double low = scaling.Number("low_freq_factor", 1e-6, MaxFactor);
        double high = scaling.Number("high_freq_factor", 1e-6, MaxFactor);
        if (high <= low)
            throw scaling.Fault($"rope high_freq_factor {high} must be above low_freq_factor {low}");
        double factor = scaling.Number("factor", 1, MaxFactor);
        int original = OriginalPositions(scaling, maxPositions);
        return RopeScaling.Rounded(path, RopeScaling.Llama3(headDim, theta, factor, low, high, original), 1);
    }

    private static (RopeConfig Rope, int MaxPositions) ReadYarn(
        string path, ConfigSection scaling, int headDim, double theta, int maxPositions)
    {
        if (theta <= 1)
            throw scaling.Fault($"yarn needs a rope_theta above 1; it is {theta}");
        int original = OriginalPositions(scaling, maxPositions);
        double factor = scaling.OptionalNumber("factor", 1, MaxFactor)
            ?? Math.Max(1, (double)maxPositions / original);
        YarnScaling yarn = new(
            factor, original, Beta(scaling, "beta_fast", 32), Beta(scaling, "beta_slow", 1),
            scaling.Flag("truncate", true));
        double? magnitude = scaling.OptionalNumber("mscale", 0, MaxFactor);
        double? magnitudeAllDims = scaling.OptionalNumber("mscale_all_dim", 0, MaxFactor);
        double attentionFactor = scaling.OptionalNumber("attention_factor", 1e-6, MaxFactor)
            ?? (magnitude is > 0 && magnitudeAllDims is > 0
                ? RopeScaling.YarnMagnitude(factor, magnitude.Value)
                    / RopeScaling.YarnMagnitude(factor, magnitudeAllDims.Value)
                : RopeScaling.YarnMagnitude(factor));
        RopeConfig rope = RopeScaling.Rounded(path, RopeScaling.Yarn(headDim, theta, yarn), attentionFactor);
        // People add yarn to a config.json and leave max_position_embeddings at the length before stretching.
        double stretched = Math.Min(Math.Floor(factor * original), ModelLimits.Positions);
        return (rope, Math.Max(maxPositions, (int)stretched));
    }

    /// <summary>Zero and null mean the default, as they do to transformers.</summary>
    private static double Beta(ConfigSection scaling, string name, double otherwise) =>
        scaling.OptionalNumber(name, 0, MaxFactor) is { } value and > 0 ? value : otherwise;

    private static int OriginalPositions(ConfigSection scaling, int maxPositions) =>
        scaling.OptionalInt("original_max_position_embeddings", 1, ModelLimits.Positions) ?? maxPositions;

    private static void RefusePartial(ConfigSection section)
    {
        if (section.OptionalNumber("partial_rotary_factor", 0, 1) is { } share and not 1)
            throw section.Fault($"partial_rotary_factor is {share}; only models that rotate whole heads " +
                                "are supported");
    }
}
