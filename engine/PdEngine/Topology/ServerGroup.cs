namespace PdEngine;

/// <summary>Workers of one kind with the same settings.</summary>
public sealed record ServerGroup
{
    /// <summary>Number of the group within its service, from 0.</summary>
    public required int Index { get; init; }

    /// <summary>What its workers do.</summary>
    public required WorkerType WorkerType { get; init; }

    /// <summary>Devices of the group.</summary>
    public required int DeviceCount { get; init; }

    /// <summary>Devices of each worker.</summary>
    public required int DevicesPerWorker { get; init; }

    /// <summary>First device number of the group.</summary>
    public required int FirstDevice { get; init; }

    /// <summary>Its workers; none for a placeholder.</summary>
    public required IReadOnlyList<WorkerPlacement> Workers { get; init; }

    /// <summary>Every override that reaches the group, in order of name.</summary>
    public required IReadOnlyList<ResolvedOverride> Overrides { get; init; }

    /// <summary>The overrides that the engine acts on, typed.</summary>
    public required GroupSettings Settings { get; init; }

    /// <summary>Line of the group in the file; null where flags made it.</summary>
    public int? Line { get; init; }
}
