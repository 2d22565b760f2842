using PdEngine.Interop;

namespace PdEngine;

/// <summary>GPUs that an engine has opened, and a backend for each device of its plan.</summary>
internal sealed class CudaDevices : IDisposable
{
    /// <summary>The least compute capability that the kernels are built for.</summary>
    private const int LeastCapability = 80;

    private readonly List<CudaGpu> _gpus = [];
    private readonly List<CudaBackend> _backends = [];
    private readonly List<CudaPartition> _partitions = [];

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
            CublasLt? cublas = options.Gemm == GemmKind.CublasLt ? CublasLt.Open(options.CublasPath) : null;
            CudaGpu[] gpus = new CudaGpu[deviceCount];
            for (int device = 0; device < deviceCount; device++)
            {
                int ordinal = options.Gpus is { } named
                    ? named[device]
                    : (int)((long)device * Math.Min(deviceCount, driver.DeviceCount) / deviceCount);
                gpus[device] = devices._gpus.Find(gpu => gpu.Device.Ordinal == ordinal)
                    ?? devices.OpenGpu(driver, ordinal, options);
            }
            List<string> shares = [];
            CudaPartition?[] parts = devices.Split(gpus, options, shares);
            for (int device = 0; device < deviceCount; device++)
                devices._backends.Add(new(gpus[device], cublas, parts[device]));
            if (devices._gpus.Count > 1)
            {
                CudaPeerCheck.Run(
                    [.. devices._gpus.Select(gpu => devices._backends.Find(one => one.Gpu == gpu)!)]);
            }
            devices.Described = devices.Describe(driver, cublas, shares);
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
        _partitions.ForEach(partition => partition.Dispose());
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

    /// <summary>
    /// What each device runs on, where a GPU has both prefill and decode and is to be split among them; null
    /// is the whole of its GPU.
    /// </summary>
    private CudaPartition?[] Split(CudaGpu[] gpus, CudaOptions options, List<string> shares)
    {
        CudaPartition?[] parts = new CudaPartition?[gpus.Length];
        if (options.PrefillFraction is not { } fraction)
            return parts;
        foreach (CudaGpu gpu in _gpus)
        {
            int[] prefill = Of(WorkerType.Prefill), decode = Of(WorkerType.Decode);
            if (prefill.Length == 0 || decode.Length == 0)
                continue;
            string shared = $"prefill and decode share cuda:{gpu.Device.Ordinal}";
            if (CudaPartition.TrySplit(gpu.Context, fraction) is not { } split)
            {
                shares.Add(
                    $"{shared} by streams alone: the driver (from CUDA 12.5 on) or the GPU cannot split its "
                    + "multiprocessors so");
                continue;
            }
            _partitions.AddRange([split.First, split.Second]);
            foreach (int device in prefill)
                parts[device] = split.First;
            foreach (int device in decode)
                parts[device] = split.Second;
            shares.Add($"{shared}, on {split.First.ProcessorCount} and {split.Second.ProcessorCount} "
                + "multiprocessors");

            int[] Of(WorkerType role) => [.. Enumerable.Range(0, gpus.Length).Where(
                device => gpus[device] == gpu && options.Roles.ElementAtOrDefault(device) == role)];
        }
        return parts;
    }

    private string Describe(CudaDriver driver, CublasLt? cublas, List<string> shares)
    {
        IEnumerable<string> gpus = _gpus.OrderBy(gpu => gpu.Device.Ordinal).Select(
            gpu => $"cuda:{gpu.Device.Ordinal} ({gpu.Device.Name}, {gpu.Images.Origin})");
        if (cublas is not null)
        {
            shares.Add(
                $"products but gate and up by cuBLASLt {CublasLt.TextOf(cublas.Version)} ({cublas.Path}): "
                + "bits depend on the batch, and no graphs");
        }
        return string.Join(
            "; ", (string[])[$"{string.Join(", ", gpus)}, driver of CUDA {CudaDriver.TextOf(driver.Version)}",
                .. shares]);
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
