using PdEngine.Interop;

namespace PdEngine;

/// <summary>GPUs that an engine has opened, and a backend for each device of its plan.</summary>
internal sealed class CudaDevices : IDisposable
{
    /// <summary>The least compute capability that the kernels are built for.</summary>
    private const int LeastCapability = 80;

    private readonly List<CudaGpu> _gpus = [];
    private readonly List<CudaBackend> _backends = [];

    private CudaDevices()
    {
    }

    public IReadOnlyList<IBackend> Backends => _backends;

    /// <summary>What was taken, for whoever asked.</summary>
    public string Described { get; private set; } = "";

    /// <exception cref="BackendException">
    /// No driver, too old a one, no GPU, or one that cannot run the kernels; the message says which.
    /// </exception>
    public static CudaDevices Open(CudaOptions options, int deviceCount)
    {
        CudaDevices devices = new();
        try
        {
            CudaDriver driver = CudaDriver.Open(options.DriverPath);
            Dictionary<int, CudaGpu> gpus = [];
            for (int device = 0; device < deviceCount; device++)
            {
                int ordinal = options.Gpus is { } named
                    ? named[device]
                    : (int)((long)device * Math.Min(deviceCount, driver.DeviceCount) / deviceCount);
                if (!gpus.TryGetValue(ordinal, out CudaGpu? gpu))
                {
                    gpus.Add(ordinal, gpu = devices.OpenGpu(driver, ordinal, options));
                }
                devices._backends.Add(new CudaBackend(gpu, options.UsesGraphs, options.RunsAhead));
            }
            devices.Described = $"{string.Join(", ", gpus.OrderBy(gpu => gpu.Key).Select(
                gpu => $"cuda:{gpu.Key} ({gpu.Value.Device.Name}, {gpu.Value.Images.Origin})"))}, driver of "
                + $"CUDA {CudaDriver.TextOf(driver.Version)}";
            return devices;
        }
        catch (CudaException refused)
        {
            devices.Dispose();
            throw new BackendException(refused.Message, refused);
        }
        catch
        {
            devices.Dispose();
            throw;
        }
    }

    public void Dispose()
    {
        _backends.ForEach(backend => backend.Dispose());
        _gpus.ForEach(gpu => gpu.Dispose());
    }

    /// <exception cref="BackendException">The kernels are not built for GPUs as old as this.</exception>
    internal static void ThrowIfTooOld(CudaDevice device)
    {
        if (device.Capability < LeastCapability)
        {
            throw new BackendException(
                $"GPU {device.Ordinal} ({device.Name}) is of compute capability {device.Capability / 10}."
                + $"{device.Capability % 10}; the kernels need 8.0 or more. Compute on the CPU.");
        }
    }

    private CudaGpu OpenGpu(CudaDriver driver, int ordinal, CudaOptions options)
    {
        CudaDevice device = CudaDevice.Open(driver, ordinal);
        ThrowIfTooOld(device);
        CudaGpu gpu = new(driver, device, CudaImages.For(device, options), options);
        _gpus.Add(gpu);
        return gpu;
    }
}
