namespace PdEngine;

/// <summary>Which part of the machine a CPU backend takes.</summary>
internal sealed record CpuBackendOptions
{
    public CpuIsa Isa { get; init; }

    /// <summary>
    /// Cores of its threads, one each. Thread 0 is the caller of each op, which is never pinned here. Null
    /// takes as many unpinned threads as the process may use cores.
    /// </summary>
    public IReadOnlyList<int>? Cores { get; init; }

    /// <summary>Threads, the caller included; null is one per core.</summary>
    public int? ThreadCount { get; init; }
}
