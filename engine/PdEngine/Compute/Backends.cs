namespace PdEngine;

/// <summary>Opens the backend that options ask for.</summary>
internal static class Backends
{
    /// <summary>
    /// The CPU backend's threads are pinned, one to a core that the process may use, as far as the cores go.
    /// </summary>
    /// <exception cref="BackendException">
    /// This machine cannot run it; the message says what is missing.
    /// </exception>
    public static IBackend Open(BackendKind kind, CpuIsa isa, int? threadCount)
    {
        if (kind == BackendKind.Reference)
            return new ReferenceBackend(threadCount ?? Environment.ProcessorCount);
        IReadOnlyList<int>? cores = HostCores.Allowed();
        int threads = threadCount ?? Environment.ProcessorCount;
        if (threads > cores?.Count)
            cores = null;
        return new CpuBackend(new CpuBackendOptions { Isa = isa, ThreadCount = threads, Cores = cores });
    }

    public static DeviceSet OpenDevices(BackendKind kind, CpuIsa isa, int? threadCount, int deviceCount, bool lendsCores)
    {
        _ = lendsCores;
        IBackend[] all = new IBackend[deviceCount];
        for (int i = 0; i < deviceCount; i++)
            all[i] = Open(kind, isa, Math.Max(1, (threadCount ?? Environment.ProcessorCount) / deviceCount));
        return new() { Devices = all };
    }
}
