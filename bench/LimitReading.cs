namespace PdEngine.Bench;

/// <summary>The limits of one kind of row at one moment.</summary>
/// <param name="FlopsPerSecond">Of the arithmetic that the row uses.</param>
/// <param name="FmaFlopsPerSecond">Of float32 FMA; the same where the row uses that.</param>
/// <param name="BytesPerSecond">Reads past the caches.</param>
internal readonly record struct LimitReading(
    double FlopsPerSecond, double FmaFlopsPerSecond, double BytesPerSecond)
{
    /// <summary>The median of each limit.</summary>
    public static LimitReading Median(IReadOnlyList<LimitReading> readings) => new(
        new Quantiles(readings.Select(reading => reading.FlopsPerSecond)).At(0.5),
        new Quantiles(readings.Select(reading => reading.FmaFlopsPerSecond)).At(0.5),
        new Quantiles(readings.Select(reading => reading.BytesPerSecond)).At(0.5));

    /// <summary>How far the limit that moved most lies apart in some readings: 0.1 is a tenth.</summary>
    public static double Movement(IReadOnlyList<LimitReading> readings)
    {
        double flops = Spread(readings.Select(reading => reading.FlopsPerSecond));
        return Math.Max(flops, Spread(readings.Select(reading => reading.BytesPerSecond)));
    }

    private static double Spread(IEnumerable<double> rates)
    {
        double[] all = [.. rates];
        return (all.Max() / all.Min()) - 1;
    }
}
