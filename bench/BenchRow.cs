namespace PdEngine.Bench;

/// <summary>One measured figure with its limits, in the one report format of all benchmarks.</summary>
internal sealed record BenchRow
{
    /// <summary><c>prefill</c>, <c>decode</c> or <c>mixed</c>.</summary>
    public required string Phase { get; init; }

    /// <summary>Element type of the weights, for example <c>bf16</c>.</summary>
    public required string Dtype { get; init; }

    /// <summary>Instruction set.</summary>
    public required string Isa { get; init; }

    public required int Threads { get; init; }

    /// <summary>Sequences.</summary>
    public required int Batch { get; init; }

    /// <summary>Tokens computed in one timed run.</summary>
    public required int Tokens { get; init; }

    /// <summary>Positions already in the cache, per sequence.</summary>
    public required int Context { get; init; }

    /// <summary>Median time of a run.</summary>
    public required double Seconds { get; init; }

    /// <summary>Work of a run.</summary>
    public required double Flops { get; init; }

    /// <summary>Weights and K, V that a run must read.</summary>
    public required double Bytes { get; init; }

    /// <summary>Measured beside the row.</summary>
    public required double LimitFlopsPerSecond { get; init; }

    /// <summary>Measured beside the row.</summary>
    public required double LimitBytesPerSecond { get; init; }

    /// <summary>The peer's tokens per second in the same run; 0 where it could not run.</summary>
    public double PeerTokensPerSecond { get; init; }

    public double TokensPerSecond => Tokens / Seconds;

    public double FlopsPerSecond => Flops / Seconds;

    public double BytesPerSecond => Bytes / Seconds;

    /// <summary>Which of the two limits takes longer: <c>flops</c> or <c>bytes</c>.</summary>
    public string BoundBy => FlopsTime > BytesTime ? "flops" : "bytes";

    /// <summary>Time that the binding limit alone would take, over the time taken.</summary>
    public double ShareOfLimit => Math.Max(FlopsTime, BytesTime) / Seconds;

    private double FlopsTime => Flops / LimitFlopsPerSecond;

    private double BytesTime => Bytes / LimitBytesPerSecond;
}
