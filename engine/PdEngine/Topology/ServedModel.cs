namespace PdEngine;

/// <summary>One model service: a checkpoint, its server groups, and a router of its own.</summary>
public sealed record ServedModel
{
    /// <summary>Unique name of the service.</summary>
    public required string Name { get; init; }

    /// <summary>Its checkpoint; null where none was given.</summary>
    public required string? ModelPath { get; init; }

    /// <summary>Whether weight updates reach it.</summary>
    public required bool UpdateWeights { get; init; }

    /// <summary>Its server groups; none for a service that is a router alone.</summary>
    public required IReadOnlyList<ServerGroup> Groups { get; init; }

    /// <summary>Line of the entry in the file; null where flags made it.</summary>
    public int? Line { get; init; }

    /// <summary>Whether prefill and decode run on separate groups.</summary>
    public bool IsDisaggregated => Groups.Any(group => group.WorkerType is WorkerType.Prefill
        or WorkerType.Decode);

    /// <summary>Whether encoders run on groups of their own.</summary>
    public bool HasEncoders => Groups.Any(group => group.WorkerType is WorkerType.Encoder);

    /// <summary>Devices of all groups.</summary>
    public int DeviceCount => Groups.Sum(group => group.DeviceCount);
}
