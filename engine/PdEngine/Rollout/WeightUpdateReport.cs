namespace PdEngine;

/// <summary>What an update took.</summary>
public sealed record WeightUpdateReport
{
    /// <summary>Name of the weights from now on.</summary>
    public required string Version { get; init; }

    /// <summary>Memory that the new weights take.</summary>
    public required long Bytes { get; init; }

    /// <summary>They were loaded beside the old ones.</summary>
    public required bool WasStaged { get; init; }

    /// <summary>Checking and loading while the service went on.</summary>
    public required TimeSpan StagingTime { get; init; }

    /// <summary>
    /// From asking the workers to pause until all went on, or had the weights where the service stays paused.
    /// </summary>
    public required TimeSpan PauseTime { get; init; }
}
