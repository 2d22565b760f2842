namespace PdEngine;

/// <summary>How the router of one service decides.</summary>
internal sealed record RouterOptions
{
    /// <summary>Among regular workers.</summary>
    public RouterPolicy Regular { get; init; }

    /// <summary>Among prefill workers.</summary>
    public RouterPolicy Prefill { get; init; }

    /// <summary>Among decode workers.</summary>
    public RouterPolicy Decode { get; init; }

    public DisaggregateMode Disaggregate { get; init; }

    /// <summary>Uncached prompt tokens that are computed on the decode worker under auto.</summary>
    public int LocalTokens { get; init; } = 64;

    public ulong Seed { get; init; }

    public required TimeProvider Clock { get; init; }

    /// <summary>
    /// The copy from one worker's blocks to another's, by their numbers; asked between domains only.
    /// </summary>
    public required Func<int, int, IKvTransfer> Transfer { get; init; }
}
