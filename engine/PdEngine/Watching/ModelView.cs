namespace PdEngine;

/// <summary>A service at about one moment, for whoever watches it.</summary>
internal sealed record ModelView
{
    public required IReadOnlyList<WorkerView> Workers { get; init; }

    public required IReadOnlyList<PoolView> Pools { get; init; }

    /// <summary>Requests that have not ended.</summary>
    public required int LiveCount { get; init; }

    /// <summary>The oldest of them.</summary>
    public required IReadOnlyList<LiveRequest> Live { get; init; }
}
