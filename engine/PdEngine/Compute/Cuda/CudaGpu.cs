using PdEngine.Interop;

namespace PdEngine;

/// <summary>
/// A GPU in use: its context, the kernels loaded there, and copies that wait for their end. Devices of a plan
/// that are named after the same GPU share it. Any thread may call it.
/// </summary>
internal sealed unsafe class CudaGpu : IDisposable
{
    private readonly CudaModules _modules;
    private readonly CudaStream _loading;
    private readonly List<CudaLane> _lanes = [];
    private readonly Lock _gate = new();

    /// <exception cref="CudaException">It cannot be used, or the images are not for it.</exception>
    public CudaGpu(CudaDriver driver, CudaDevice device, CudaImages images, CudaOptions options)
    {
        Context = CudaContext.Open(driver, device);
        try
        {
            _modules = new(Context, images.All);
            Kernels = new(_modules, device.SharedBytesPerBlock);
            _loading = new(Context);
        }
        catch
        {
            _modules?.Dispose();
            Context.Dispose();
            throw;
        }
        Memory = new($"cuda:{device.Ordinal}");
        Images = images;
        Options = options;
    }

    public CudaContext Context { get; }

    public CudaDevice Device => Context.Device;

    public CudaKernels Kernels { get; }

    /// <summary>Where its kernels came from.</summary>
    public CudaImages Images { get; }

    public MemoryDomain Memory { get; }

    /// <summary>Of the engine that has opened it.</summary>
    public CudaOptions Options { get; }

    /// <summary>Whether its kernels can be given access to another's memory.</summary>
    public bool CanReach(CudaGpu other) => Device.CanReach(Context.Driver, other.Device);

    /// <summary>Runs something of the driver's; what it refuses is an error with the GPU's name.</summary>
    public void Run(Action call)
    {
        try
        {
            Context.MakeCurrent();
            call();
        }
        catch (CudaException refused)
        {
            throw Refused(refused);
        }
    }

    /// <inheritdoc cref="Run"/>
    /// <param name="make">The calls.</param>
    /// <param name="remedy">What to do where device memory runs out; null is what KV cache can.</param>
    public T Make<T>(Func<T> make, string? remedy = null)
    {
        try
        {
            Context.MakeCurrent();
            return make();
        }
        catch (CudaException refused)
        {
            throw Refused(refused, remedy);
        }
    }

    public BackendException Refused(CudaException refused, string? remedy = null)
    {
        string what = refused.Result == CudaResult.OutOfMemory
            ? $" {remedy ?? "Lower max_total_tokens or mem_fraction_static."}"
            : "";
        return new BackendException(
            $"GPU {Device.Ordinal} ({Device.Name}): {refused.Message}.{what}", refused);
    }

    /// <summary>A lane of it has been made.</summary>
    public void Add(CudaLane lane)
    {
        lock (_gate)
            _lanes.Add(lane);
    }

    public void Remove(CudaLane lane)
    {
        lock (_gate)
            _lanes.Remove(lane);
    }

    /// <summary>
    /// Device memory has these bytes when this returns; what was on its lanes before has run by then.
    /// </summary>
    public void Upload(ulong target, ReadOnlySpan<byte> bytes)
    {
        fixed (byte* first = bytes)
        {
            byte* source = first;
            long count = bytes.Length;
            Load(() => _loading.CopyToDevice(target, source, count));
        }
    }

    /// <summary>What device memory has once all that was on its lanes has run.</summary>
    public void Download(ulong source, Span<byte> bytes)
    {
        fixed (byte* first = bytes)
        {
            byte* target = first;
            long count = bytes.Length;
            Load(() => _loading.CopyToHost(target, source, count));
        }
    }

    /// <summary>A copy after all that was on its lanes, done when this returns.</summary>
    private void Load(Action copy)
    {
        lock (_gate)
        {
            Run(() =>
            {
                Order();
                copy();
                _loading.Synchronize();
            });
        }
    }

    // Not by waiting for the whole GPU, which nobody may while a lane of it is being captured.
    private void Order()
    {
        foreach (CudaLane lane in _lanes)
            lane.OrderBefore(_loading);
    }

    public void Dispose()
    {
        _loading.Dispose();
        _modules.Dispose();
        Context.Dispose();
    }
}
