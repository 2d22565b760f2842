namespace PdEngine.Bench;

/// <summary>What <c>bench http</c> runs.</summary>
internal sealed record HttpCostSettings
{
    public required CpuIsa Isa { get; init; }

    public required int Threads { get; init; }

    /// <summary>Streams at once.</summary>
    public required int Streams { get; init; }

    /// <summary>Tokens of each.</summary>
    public required int Tokens { get; init; }

    /// <summary>Requests of each stream, one behind another, in a run.</summary>
    public required int Requests { get; init; }

    /// <summary>Turns go on for so long before those that count: code is compiled in steps.</summary>
    public required TimeSpan WarmUp { get; init; }

    /// <summary>Runs of each arm, by turns.</summary>
    public required int Repeats { get; init; }

    /// <summary>How long a limit of the machine is probed.</summary>
    public required int ProbeMilliseconds { get; init; }
}
