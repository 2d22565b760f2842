namespace PdEngine.Bench;

/// <summary>How a model is benchmarked.</summary>
internal sealed record ModelSettings
{
    public required CpuIsa Isa { get; init; }

    /// <summary>Of us and of the peer.</summary>
    public required int Threads { get; init; }

    public WeightDtype Dtype { get; init; }

    public required IReadOnlyList<ModelRowSpec> Rows { get; init; }

    /// <summary>Turns of each row, ours and the peer's.</summary>
    public required int Repeats { get; init; }

    /// <summary>Runs llama.cpp on the same weights, at as many bits each, in the same run.</summary>
    public bool WithPeer { get; init; }

    /// <summary>Times each op of each row, in runs of their own.</summary>
    public bool WithOps { get; init; }

    /// <summary>Time of one probe.</summary>
    public int ProbeMilliseconds { get; init; } = 150;

    /// <summary>Most times that a row is measured, where the limits move meanwhile.</summary>
    public int Attempts { get; init; } = 3;
}
