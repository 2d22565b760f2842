namespace PdEngine.Bench;

/// <summary>What a client saw of one request.</summary>
internal sealed record RequestTrace
{
    public required ServingRequest Request { get; init; }

    /// <summary>When it was handed over, of <see cref="System.Diagnostics.Stopwatch"/>.</summary>
    public required long SubmittedTicks { get; init; }

    /// <summary>At least one.</summary>
    public required IReadOnlyList<TokenArrival> Arrivals { get; init; }

    public required IReadOnlyList<int> OutputIds { get; init; }

    /// <summary>Prompt tokens that a cache supplied.</summary>
    public int CachedTokens { get; init; }

    public PdPath PdPath { get; init; }

    /// <summary>The engine's own account of its time; a peer has none.</summary>
    public PhaseTimings Timings { get; init; } = new();

    /// <summary>
    /// From the first token until the decode worker has the blocks, less the step that it was in.
    /// </summary>
    public double HandoffSeconds => (Timings.HandoffNs + Timings.DecodeTransferNs) / 1e9;

    public int HandoffBlocks { get; init; }

    /// <summary>K and V copied between memory domains.</summary>
    public long TransferBytes { get; init; }

    public long FirstTicks => Arrivals[0].Ticks;

    public long LastTicks => Arrivals[^1].Ticks;
}
