namespace PdEngine.Bench;

/// <summary>How <c>bench pd</c> runs, whatever the load.</summary>
internal sealed record PdSettings
{
    /// <summary>Arms in the order of running.</summary>
    public required IReadOnlyList<PdArm> Arms { get; init; }

    /// <summary>Instruction set.</summary>
    public CpuIsa Isa { get; init; } = CpuIsa.Auto;

    /// <summary>Cores of us and of the peer.</summary>
    public required int Threads { get; init; }

    /// <summary>Runs of each arm, each from a cold start; the median by tokens/s counts.</summary>
    public int Repeats { get; init; } = 1;

    /// <summary>A longer gap between two tokens of a stream is a stall.</summary>
    public double StallSeconds { get; init; } = 0.5;

    /// <summary>Time of each probe of the machine's limits.</summary>
    public int ProbeMilliseconds { get; init; } = 150;

    /// <summary>Of prompts and draws.</summary>
    public int Seed { get; init; }

    /// <summary>0 is greedy; else tokens are drawn with seeds, the same in every arm.</summary>
    public float Temperature { get; init; } = 1;

    /// <summary>Which devices of the disaggregated arms share K and V.</summary>
    public KvDomainKind KvDomain { get; init; } = KvDomainKind.Host;

    /// <summary>Has the last word on the options of our arms.</summary>
    public Func<EngineOptions, EngineOptions> Adjust { get; init; } = static options => options;
}
