namespace PdEngine.Bench;

/// <summary>A promise of disaggregation and what a run made of it.</summary>
/// <param name="Arm">The disaggregated arm.</param>
/// <param name="Text">What is promised.</param>
/// <param name="Figure">What was measured.</param>
/// <param name="IsMet">Whether it holds.</param>
internal sealed record PdTarget(string Arm, string Text, string Figure, bool IsMet)
{
    private const double HandoffSeconds = 1e-3;
    private const double GapRatio = 3;
    private const double LeastRateRatio = 0.95;

    /// <summary>Those that the arms that ran can answer.</summary>
    public static IEnumerable<PdTarget> Of(PdResult result)
    {
        foreach (PdRow row in result.Rows.Where(row => row.Arm.IsDisaggregated && row.IsAsNamed))
        {
            PdFigures figures = row.Figures;
            if (result.Settings.KvDomain is KvDomainKind.Host)
            {
                double p50 = figures.HandoffSeconds.At(0.5);
                yield return new(row.Arm.Name, "hand-off p50 under 1 ms in one domain", $"{p50 * 1e3:F3} ms",
                    p50 < HandoffSeconds);
            }
            if (result.Reference is { } reference && result.Load is InjectionLoad)
            {
                PdFigures chunked = reference.Figures;
                yield return Better(row, "longest gap", chunked.GapSeconds.Max, figures.GapSeconds.Max);
                yield return Better(row, "stalled share", chunked.StalledShare, figures.StalledShare);
            }
            if (result.BestColocated is { } best)
            {
                double ratio = figures.TotalTokensPerSecond / best.Figures.TotalTokensPerSecond;
                yield return new(row.Arm.Name,
                    $"total tokens/s at most 5% under colocated (best: {best.Arm.Name})",
                    $"{(ratio - 1) * 100:+0.0;-0.0}%", ratio >= LeastRateRatio);
            }
        }
    }

    private static PdTarget Better(PdRow row, string what, double reference, double ours)
    {
        string text = $"{what} at least 3 times better than {PdArm.Reference}";
        return ours <= 0
            ? new(row.Arm.Name, text, reference > 0 ? "none at all" : "none in either", true)
            : new(row.Arm.Name, text, $"{reference / ours:F1}x", reference / ours >= GapRatio);
    }
}
