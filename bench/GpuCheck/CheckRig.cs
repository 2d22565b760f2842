using System.Reflection;
using System.Security.Cryptography;
using PdEngine.Interop;

namespace PdEngine.Bench;

/// <summary>The GPU under test: a backend on it, memory of random values, and a clock of its own.</summary>
internal sealed class CheckRig : IDisposable
{
    private readonly CudaDevices _devices;
    private readonly CudaEvent _start;
    private readonly CudaEvent _end;

    private CheckRig(CheckSettings settings, CudaDevices devices)
    {
        Settings = settings;
        _devices = devices;
        Graphed = (CudaBackend)devices.Backends[0];
        Backend = new(Graphed.Gpu, cublas: null, partition: null, allowsGraphs: false);
        Gpu.Context.MakeCurrent();
        _start = new(Gpu.Context, isTimed: true);
        _end = new(Gpu.Context, isTimed: true);
        Clocks = new(Gpu.Device.Ordinal, settings.DriverPath is null);
        Header = HeaderOf(settings, devices);
    }

    public CheckSettings Settings { get; }

    /// <summary>Launches kernel by kernel.</summary>
    public CudaBackend Backend { get; }

    /// <summary>Launches decode batches as graphs.</summary>
    public CudaBackend Graphed { get; }

    public CudaLane Lane => Backend.Lane;

    public CudaStream Stream => Backend.Lane.Stream;

    public CudaGpu Gpu => Backend.Lane.Gpu;

    public ClockReading Clocks { get; }

    /// <summary>What the report is about.</summary>
    public IReadOnlyList<(string Name, string Value)> Header { get; }

    /// <exception cref="BackendException">There is no GPU to be used; the message says why.</exception>
    public static CheckRig Open(CheckSettings settings)
    {
        CudaDevices devices = CudaDevices.Open(OptionsOf(settings), 1);
        try
        {
            return new(settings, devices);
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

    public static CudaOptions OptionsOf(CheckSettings settings)
    {
        CudaOptions options = new() { DriverPath = settings.DriverPath, Gpus = [settings.Gpu] };
        return settings.ImagesFolder is { } folder ? options with { ImagesFolder = folder } : options;
    }

    /// <summary>Options of an engine on this GPU.</summary>
    /// <param name="deviceCount">Of its plan; they share the GPU.</param>
    public EngineOptions EngineOn(string modelPath, int deviceCount) =>
        On(new() { ModelPath = modelPath }, deviceCount);

    /// <summary>The same of an engine that has options of its own.</summary>
    public EngineOptions On(EngineOptions options, int deviceCount) => options with
    {
        Backend = BackendKind.Cuda, CudaDriver = Settings.DriverPath, CudaImages = Settings.ImagesFolder,
        Devices = string.Join(',', Enumerable.Repeat($"cuda:{Settings.Gpu}", deviceCount)),
    };

    /// <summary>Whether the GPU still takes work.</summary>
    public bool IsUsable()
    {
        try
        {
            Gpu.Context.Synchronize();
            return true;
        }
        catch (CudaException)
        {
            return false;
        }
    }

    /// <summary>Median time of a call that puts work on the stream, by the GPU's own clock.</summary>
    /// <param name="call">Takes a number that counts up, to go round its memory with.</param>
    /// <param name="isCaptured">
    /// Many calls go out as one graph, so that what the host takes for a launch does not show.
    /// </param>
    /// <param name="lane">Whose stream; null is the rig's own.</param>
    public double Seconds(Action<int> call, bool isCaptured = true, CudaLane? lane = null)
    {
        CudaLane used = lane ?? Lane;
        Gpu.Context.MakeCurrent();
        // The first call may take memory and send along what later ones share.
        Time(used, 2, call);
        bool isToy = Settings.Scale.IsToy;
        double once = isToy ? 1 : Time(used, 3, call);
        int count = (int)Math.Clamp(0.01 / once, 1, 400);
        double[] times = new double[isToy ? 1 : once > 0.2 ? 2 : 5];
        using CudaGraph? graph = isCaptured ? Capture(used, count, call) : null;
        if (graph is not null && !isToy)
            Time(used, 1, _ => used.Stream.Launch(graph));
        for (int i = 0; i < times.Length; i++)
        {
            times[i] = graph is null
                ? Time(used, count, call)
                : Time(used, 1, _ => used.Stream.Launch(graph)) / count;
        }
        return new Quantiles(times).At(0.5);
    }

    private double Time(CudaLane lane, int count, Action<int> call)
    {
        _start.Record(lane.Stream);
        for (int i = 0; i < count; i++)
            call(i);
        _end.Record(lane.Stream);
        _end.Synchronize();
        // A driver without a clock says 0.
        return Math.Max(_end.MillisecondsSince(_start) / 1e3, 1e-9) / count;
    }

    private static CudaGraph Capture(CudaLane lane, int count, Action<int> call)
    {
        CudaGraph? graph = null;
        lane.Alone(() =>
        {
            lane.Stream.BeginCapture();
            try
            {
                for (int i = 0; i < count; i++)
                    call(i);
            }
            finally
            {
                graph = lane.Stream.EndCapture();
            }
        });
        return graph!;
    }

    public void Dispose()
    {
        if (IsUsable())
        {
            _start.Dispose();
            _end.Dispose();
            Backend.Dispose();
            _devices.Dispose();
        }
        Clocks.Dispose();
    }

    private static (string Name, string Value)[] HeaderOf(CheckSettings settings, CudaDevices devices)
    {
        CudaGpu gpu = ((CudaBackend)devices.Backends[0]).Lane.Gpu;
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (byte[] image in gpu.Images.All)
            hash.AppendData(image);
        string commit = typeof(CheckRig).Assembly
            .GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "";
        return
        [
            ("gpu", $"{gpu.Device.Name}, {gpu.Device.ProcessorCount} processors, sm_{gpu.Device.Capability}, "
                + $"{gpu.Device.TotalBytes >> 20} MiB"),
            ("driver", $"{gpu.Context.Driver.Path}, CUDA {CudaDriver.TextOf(gpu.Context.Driver.Version)}"),
            ("images",
                $"{gpu.Images.Origin}, sha256 {Convert.ToHexStringLower(hash.GetHashAndReset())[..16]}"),
            ("candidate", $"sha256 {WgmmaCandidate.HashOf(settings)}"),
            ("build", commit),
            ("scale", settings.Scale.IsToy ? "toy" : "full"),
        ];
    }
}
