namespace PdEngine.Bench;

/// <summary>An arm of <c>bench http</c>.</summary>
internal sealed record HttpCostRow : BenchRow
{
    /// <summary>What HTTP may take at 32 streams of a model of any size.</summary>
    public const double TargetCost = 0.05;

    /// <summary>
    /// Share of the in-process rate of the same turn that is missing; the median of the turns.
    /// </summary>
    public required double Cost { get; init; }

    public required double LeastCost { get; init; }

    public required double MostCost { get; init; }

    /// <summary>Time of all cores of this process, its clients' too, for each token.</summary>
    public required double CpuUsPerToken { get; init; }

    /// <summary>1 where each token comes by itself; less where some come together.</summary>
    public required double EventsPerToken { get; init; }

    public required double BytesPerToken { get; init; }
}
