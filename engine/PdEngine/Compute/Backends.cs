namespace PdEngine;

/// <summary>Opens the backend that options ask for.</summary>
internal static class Backends
{
    /// <summary>One device on all cores; see <see cref="OpenDevices"/>.</summary>
    /// <exception cref="BackendException">
    /// This machine cannot run it; the message says what is missing.
    /// </exception>
    public static IBackend Open(BackendKind kind, CpuIsa isa, int? threadCount) =>
        OpenDevices(kind, isa, threadCount, deviceCount: 1, lendsCores: false).Devices[0];

    /// <summary>The devices that an engine's options ask for.</summary>
    /// <param name="options">Of the engine.</param>
    /// <param name="deviceCount">Of the plan.</param>
    /// <param name="roles">What each of them computes.</param>
    /// <exception cref="BackendException">
    /// This machine cannot run it; the message says what is missing.
    /// </exception>
    public static DeviceSet OpenFor(
        EngineOptions options, int deviceCount, IReadOnlyList<WorkerType> roles)
    {
        CudaOptions cuda = new()
        {
            DriverPath = options.CudaDriver,
            Gpus = CudaOptions.ParseGpus(options.Devices, deviceCount),
            NcclPath = options.NcclLibrary,
            PrefillFraction = options.PrefillSmFraction,
            Roles = roles,
            Gemm = options.Gemm,
            CublasPath = options.CublasLibrary,
            UsesGraphs = !options.DisableCudaGraph,
            RunsAhead = !options.DisableOverlapSchedule,
        };
        if (cuda.Gpus is not null && options.Backend is not (BackendKind.Cuda or BackendKind.Auto))
        {
            throw new OptionsException(
                "devices", $"'{options.Devices}' names GPUs, which the backend asked for does not use");
        }
        if (cuda.Gemm != GemmKind.Own && options.Backend is not (BackendKind.Cuda or BackendKind.Auto))
        {
            throw new OptionsException(
                "gemm", "cublaslt computes on GPUs, which the backend asked for does not use");
        }
        if (options.Backend == BackendKind.Cuda || cuda.Gpus is not null)
            return Of(CudaDevices.Open(cuda, deviceCount), "");
        string? why = null;
        if (options.Backend == BackendKind.Auto)
        {
            try
            {
                return Of(CudaDevices.Open(cuda, deviceCount), "backend auto: ");
            }
            catch (BackendException refused)
            {
                why = $"backend auto: the CPU. {refused.Message.Split(". ")[0].TrimEnd('.')}";
            }
        }
        DeviceSet cpu = OpenDevices(
            options.Backend, options.Isa, options.ThreadCount, deviceCount, options.LendsCores);
        return why is null ? cpu : cpu.With(why);
    }

    private static DeviceSet Of(CudaDevices cuda, string prefix) =>
        new(cuda.Backends, $"{prefix}{cuda.Described}", cuda);

    /// <summary>
    /// Devices that partition the cores which the process may use, in order; where there are more devices
    /// than cores, some share one. A CPU device's threads are held to its cores, as far as the cores go.
    /// </summary>
    /// <param name="kind">Kind of all devices.</param>
    /// <param name="isa">Instruction set of CPU devices.</param>
    /// <param name="threadCount">Threads of all devices together; null is one per core.</param>
    /// <param name="deviceCount">How many devices.</param>
    /// <param name="lendsCores">Whether cores of a CPU device at rest help the others.</param>
    /// <exception cref="BackendException">
    /// This machine cannot run it; the message says what is missing.
    /// </exception>
    public static DeviceSet OpenDevices(
        BackendKind kind, CpuIsa isa, int? threadCount, int deviceCount, bool lendsCores)
    {
        Check.That(deviceCount > 0);
        int threads = threadCount ?? Environment.ProcessorCount;
        string? notice = deviceCount > threads
            ? $"{deviceCount} devices share {threads} {(threads == 1 ? "core" : "cores")}"
            : null;
        if (kind == BackendKind.Reference)
        {
            IBackend[] references = new IBackend[deviceCount];
            for (int device = 0; device < deviceCount; device++)
                references[device] = new ReferenceBackend(Math.Max(1, threads / deviceCount));
            return new DeviceSet(references, notice);
        }
        IReadOnlyList<int>? cores = HostCores.Allowed();
        if (threads > cores?.Count)
            cores = null;
        CpuBackendOptions options = new()
        {
            Isa = isa,
            ThreadCount = threads,
            Cores = cores,
            DeviceCount = deviceCount,
            LendsCores = lendsCores,
        };
        return new DeviceSet(CpuDevices.Open(options), notice);
    }
}
