namespace PdEngine.Bench;

/// <summary>One measured figure with its limits, in the one report format of all benchmarks.</summary>
internal record BenchRow
{
    /// <summary>What the row is called in flags and tables, for example <c>decode-8</c>.</summary>
    public required string Name { get; init; }

    /// <summary>
    /// <c>prefill</c>, <c>decode</c>, <c>mixed</c>, <c>update</c>, <c>rollout</c> or <c>http</c>.
    /// </summary>
    public required string Phase { get; init; }

    /// <summary>Element type of the weights: <c>bf16</c> or <c>int8</c>.</summary>
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
    public required LimitReading Limits { get; init; }

    /// <summary>How far a limit moved while the row was measured: 0.1 is a tenth.</summary>
    public double LimitMovement { get; init; }

    /// <summary>Times that the row was measured, since the limits moved too far.</summary>
    public int Attempts { get; init; } = 1;

    /// <summary>Timed runs.</summary>
    public int Runs { get; init; }

    /// <summary>The peer's tokens per second in the same run; 0 where it could not run.</summary>
    public double PeerTokensPerSecond { get; init; }

    public double TokensPerSecond => Tokens / Seconds;

    public double FlopsPerSecond => Flops / Seconds;

    public double BytesPerSecond => Bytes / Seconds;

    /// <summary>FLOPs for each byte that must be read.</summary>
    public double Intensity => Flops / Bytes;

    /// <summary>Which of the two limits takes longer: <c>flops</c> or <c>bytes</c>.</summary>
    public string BoundBy => FlopsTime > BytesTime ? "flops" : "bytes";

    /// <summary>Time that the binding limit alone would take, over the time taken.</summary>
    public double ShareOfLimit => Math.Max(FlopsTime, BytesTime) / Seconds;

    private double FlopsTime => Flops == 0 ? 0 : Flops / Limits.FlopsPerSecond;

    private double BytesTime => Bytes == 0 ? 0 : Bytes / Limits.BytesPerSecond;
}
