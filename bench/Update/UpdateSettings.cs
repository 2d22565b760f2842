namespace PdEngine.Bench;

/// <summary>How <c>bench update</c> runs.</summary>
internal sealed record UpdateSettings
{
    public CpuIsa Isa { get; init; } = CpuIsa.Auto;

    public required int Threads { get; init; }

    public required IReadOnlyList<UpdateArm> Arms { get; init; }

    /// <summary>Sequences that decode while weights are pushed.</summary>
    public int Streams { get; init; } = 8;

    /// <summary>Prompt of each, in tokens.</summary>
    public int ContextTokens { get; init; } = 128;

    /// <summary>Updates of each arm; medians count.</summary>
    public int Repeats { get; init; } = 3;

    /// <summary>Tokens that every stream makes before the first update and after each.</summary>
    public int SettleTokens { get; init; } = 16;

    /// <summary>Time of each probe of the machine's limits.</summary>
    public int ProbeMilliseconds { get; init; } = 150;

    /// <summary>Tokens of a sequence, after which its stream begins it anew.</summary>
    public int StreamTokens { get; init; } = 1024;
}
