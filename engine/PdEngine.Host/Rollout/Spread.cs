namespace PdEngine.Host;

/// <summary>How measured times lie; all zero where there are none.</summary>
internal readonly record struct Spread(double Mean, double Median, double Most)
{
    public static Spread Of(IReadOnlyCollection<double> values)
    {
        if (values.Count == 0)
            return default;
        double[] ascending = [.. values.Order()];
        return new(ascending.Average(), ascending[ascending.Length / 2], ascending[^1]);
    }

    public override string ToString() => $"{Mean:F2} ms mean, {Median:F2} ms median, {Most:F2} ms at most";
}
