namespace PdEngine.Bench;

/// <summary>A row alone and beside a foreign process.</summary>
/// <param name="Alone">On an idle machine; its limits are the machine's.</param>
/// <param name="SharedSeconds">Median time of a run beside the foreign process.</param>
/// <param name="WorstSeconds">Longest run beside it.</param>
/// <param name="SharedLimits">What the probes reach beside it.</param>
internal sealed record ForeignRow(
    BenchRow Alone, double SharedSeconds, double WorstSeconds, LimitReading SharedLimits)
{
    /// <summary>Share of the throughput that is left.</summary>
    public double ShareLeft => Alone.Seconds / SharedSeconds;

    /// <summary>
    /// What is left of one of so many cores that is shared with one other, on a fair system.
    /// </summary>
    public double FairShare => (Alone.Threads - 0.5) / Alone.Threads;

    public double SharedTokensPerSecond => Alone.Tokens / SharedSeconds;
}
