using PdEngine.Interop;

namespace PdEngine;

/// <summary>Opens CPU devices as partitions of the cores.</summary>
internal static class CpuDevices
{
    /// <summary>Starts the threads; they end with the last device.</summary>
    /// <exception cref="BackendException">No library, no such instruction set or no threads.</exception>
    public static CpuBackend[] Open(CpuBackendOptions options)
    {
        Check.That(options.DeviceCount > 0);
        CpuIsa isa = CpuIsaSupport.Resolve(options.Isa);
        int coreCount = options.ThreadCount ?? options.Cores?.Count ?? Environment.ProcessorCount;
        if (coreCount < 1 || (options.Cores is { } all && all.Count < coreCount))
        {
            throw new BackendException(
                $"A CPU backend of {coreCount} threads on {options.Cores?.Count ?? 0} cores: name a core " +
                "for each thread, or leave the cores out.");
        }
        int[] cores = new int[coreCount];
        for (int core = 0; core < coreCount; core++)
            cores[core] = options.Cores?[core] ?? -1;
        CoreRun[] runs = new CoreRun[options.DeviceCount];
        for (int device = 0; device < runs.Length; device++)
            runs[device] = RunOf(device, runs.Length, coreCount);
        try
        {
            using CpuCrew crew = CpuCrew.Create(cores, runs, options.LendsCores);
            CpuBackend[] devices = new CpuBackend[runs.Length];
            for (int device = 0; device < runs.Length; device++)
                devices[device] = new(isa, CpuTeam.Of(crew, device), runs[device].CoreCount, coreCount);
            return devices;
        }
        catch (NativeException refused)
        {
            throw new BackendException($"The CPU backend: {refused.Message}", refused);
        }
    }

    /// <summary>
    /// A device's cores: near-equal runs of all; one shared core each where there are more devices.
    /// </summary>
    internal static CoreRun RunOf(int device, int deviceCount, int coreCount)
    {
        int first = (int)((long)device * coreCount / deviceCount);
        int end = (int)((device + 1L) * coreCount / deviceCount);
        return new(first, Math.Max(1, end - first));
    }
}
