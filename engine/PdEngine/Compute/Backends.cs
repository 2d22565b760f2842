using System.Globalization;
using PdEngine.Interop;

namespace PdEngine;

/// <summary>Opens the backend that options ask for.</summary>
internal static class Backends
{
    private const string TookCpu = "backend auto: the CPU. ";

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
    /// <param name="isInt8">A service computes with int8 weights, which GPUs do not.</param>
    /// <exception cref="BackendException">
    /// This machine cannot run it; the message says what is missing.
    /// </exception>
    public static DeviceSet OpenFor(
        EngineOptions options, int deviceCount, IReadOnlyList<WorkerType> roles, bool isInt8)
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
        if (options.CudaImages is { } folder)
            cuda = cuda with { ImagesFolder = folder };
        if (options.Backend is not (BackendKind.Cuda or BackendKind.Auto))
            ThrowIfOfGpus(options);
        if (options.Backend == BackendKind.Cuda || cuda.Gpus is not null)
            return Of(OpenNamed(cuda, deviceCount, options.Devices), "");
        string? why = null;
        if (options.Backend == BackendKind.Auto && isInt8)
        {
            why = $"{TookCpu}The CUDA backend has no int8 products, which w8a8_int8 asks for";
        }
        else if (options.Backend == BackendKind.Auto)
        {
            try
            {
                return Of(CudaDevices.Open(cuda, deviceCount), "backend auto: ");
            }
            catch (BackendException refused)
            {
                why = $"{TookCpu}{refused.Message.Split(". ")[0].TrimEnd('.')}";
            }
        }
        DeviceSet cpu = OpenDevices(
            options.Backend, options.Isa, options.ThreadCount, deviceCount, options.LendsCores);
        if (why is null)
            return cpu;
        cpu = cpu.With(why);
        if (options.Gemm != GemmKind.Own)
            cpu = cpu.Noting("gemm cublaslt has no effect: the CPU computes its products itself");
        if (options.PrefillSmFraction is { } share)
        {
            cpu = cpu.Noting(string.Create(
                CultureInfo.InvariantCulture,
                $"prefill_sm_fraction {share} has no effect: it is a share of a GPU"));
        }
        return cpu;
    }

    /// <summary>A GPU that is not there is what the list of them has wrong.</summary>
    private static CudaDevices OpenNamed(CudaOptions options, int deviceCount, string? named)
    {
        try
        {
            return CudaDevices.Open(options, deviceCount);
        }
        catch (BackendException refused) when (named is not null
            && refused.InnerException is CudaException { Result: CudaResult.InvalidDevice })
        {
            throw new OptionsException("devices", $"'{named}': {refused.Message}");
        }
    }

    private static void ThrowIfOfGpus(EngineOptions options)
    {
        const string why = "which the backend asked for does not use";
        if (options.Devices is { } named)
            throw new OptionsException("devices", $"'{named}' names GPUs, {why}");
        if (options.Gemm != GemmKind.Own)
            throw new OptionsException("gemm", $"cublaslt computes on GPUs, {why}");
        if (options.PrefillSmFraction is { } fraction)
            throw new OptionsException("prefill_sm_fraction", $"{fraction} is a share of a GPU, {why}");
        Refuse("cuda_driver", options.CudaDriver);
        Refuse("nccl_library", options.NcclLibrary);
        Refuse("cublaslt_library", options.CublasLibrary);

        static void Refuse(string option, string? file)
        {
            if (file is not null)
                throw new OptionsException(option, $"'{file}' is for GPUs, {why}");
        }
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
