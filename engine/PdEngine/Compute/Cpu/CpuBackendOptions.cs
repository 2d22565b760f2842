namespace PdEngine;

/// <summary>Which part of the machine CPU devices take, and how they share it.</summary>
internal sealed record CpuBackendOptions
{
    public CpuIsa Isa { get; init; }

    /// <summary>
    /// Cores of all devices' threads, one each, in order. A device's caller is held to its device's first
    /// core too, unless it is the process's first thread. Null takes as many unpinned threads as the process
    /// may use cores.
    /// </summary>
    public IReadOnlyList<int>? Cores { get; init; }

    /// <summary>Threads of all devices together, the callers included; null is one per core.</summary>
    public int? ThreadCount { get; init; }

    public int DeviceCount { get; init; } = 1;

    /// <summary>Whether cores of resting devices compute tiles of other devices' ops.</summary>
    public bool LendsCores { get; init; }
}
