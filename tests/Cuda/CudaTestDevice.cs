namespace PdEngine.Tests;

/// <summary>The CUDA backend on virtual GPUs.</summary>
internal static class CudaTestDevice
{
    /// <summary>A new machine with a device on each of its GPUs.</summary>
    public static CudaDevices Open(int deviceCount = 1, ulong seed = 0, int gpuCount = 0, int megabytes = 256)
    {
        StandIn.Reset(gpuCount == 0 ? deviceCount : gpuCount, seed, megabytes);
        return CudaDevices.Open(new CudaOptions { DriverPath = StandIn.Path }, deviceCount);
    }

    /// <summary>Options of an engine on virtual GPUs; the machine is to be reset before.</summary>
    public static EngineOptions On(EngineOptions options, string? devices = null) =>
        options with { Backend = BackendKind.Cuda, CudaDriver = StandIn.Path, Devices = devices };

    /// <summary>The stream of a virtual device.</summary>
    public static CudaLane Lane(this IBackend backend) => ((CudaBackend)backend).Lane;
}
