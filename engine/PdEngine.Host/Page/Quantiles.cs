namespace PdEngine.Host;

/// <summary>The middle and the slow end of some times; null where there are none.</summary>
internal readonly record struct Quantiles(double? Median, double? P95)
{
    public static Quantiles Of(IEnumerable<double?> values)
    {
        double[] ascending = [.. values.OfType<double>().Order()];
        return ascending.Length == 0 ? default : new(At(ascending, 0.5), At(ascending, 0.95));
    }

    /// <summary>The least value that so large a part of all does not exceed.</summary>
    private static double At(double[] ascending, double part) =>
        ascending[Math.Max(0, (int)Math.Ceiling(part * ascending.Length) - 1)];
}
