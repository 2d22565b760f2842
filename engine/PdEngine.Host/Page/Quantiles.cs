namespace PdEngine.Host;

/// <summary>The middle and the slow end of some times; null where there are none.</summary>
internal readonly record struct Quantiles(double? Median, double? P95)
{
    public static Quantiles Of(IEnumerable<double?> values)
    {
        Bench.Quantiles all = new(values.OfType<double>());
        return all.Count == 0 ? default : new(all.At(0.5), all.At(0.95));
    }
}
