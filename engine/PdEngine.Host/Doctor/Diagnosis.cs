using PdEngine.Bench;

namespace PdEngine.Host;

/// <summary>What this machine can do for the engine, and what is in the way.</summary>
internal sealed record Diagnosis
{
    private const long FewOpenFiles = 4096;

    public required HostFacts Host { get; init; }

    public required IReadOnlyList<IsaFact> Isas { get; init; }

    /// <summary>The instruction set that <c>auto</c> takes; null where the CPU backend cannot run.</summary>
    public required string? AutoIsa { get; init; }

    public required CudaSurvey Cuda { get; init; }

    /// <summary>Null where they were not asked for, or cannot be measured.</summary>
    public MachineReading? Limits { get; init; }

    /// <summary>What is missing, the worst first.</summary>
    public IReadOnlyList<Finding> Findings => [.. Look().OrderByDescending(finding => finding.IsFatal)];

    /// <summary>Whether native kernels can compute, on a CPU or a GPU.</summary>
    public bool CanCompute => AutoIsa is not null || Cuda.Gpus.Any(gpu => gpu.WhyNot is null);

    /// <param name="driverPath">File of the CUDA driver; null is the system's own.</param>
    /// <param name="probeMilliseconds">Time of each measurement; 0 measures nothing.</param>
    public static Diagnosis Make(string? driverPath, int probeMilliseconds)
    {
        bool runs = CpuIsaSupport.WhyNot(CpuIsa.Auto) is null;
        return new()
        {
            Isas = [.. CpuIsaSupport.All.Where(isa => isa != CpuIsa.AmxEmulated)
                .Select(isa => new IsaFact(CpuIsaSupport.NameOf(isa), CpuIsaSupport.WhyNot(isa)))],
            AutoIsa = runs ? CpuIsaSupport.NameOf(CpuIsaSupport.Resolve(CpuIsa.Auto)) : null,
            Cuda = CudaSurvey.Take(driverPath),
            Limits = runs && probeMilliseconds > 0
                ? MachineReading.Take(Environment.ProcessorCount, probeMilliseconds) : null,
            // The last, since the library is to have been loaded.
            Host = HostFacts.Read(),
        };
    }

    private IEnumerable<Finding> Look()
    {
        if (AutoIsa is null)
        {
            yield return new(!CanCompute, $"The CPU backend cannot run: {Isas[0].WhyNot}.",
                "Take a machine with AVX2, or a GPU; --backend reference computes slowly on any.");
        }
        foreach (IsaFact isa in Isas.Where(isa => isa.WhyNot is not null && HasInHardware(isa.Name)))
        {
            yield return new(false, $"The CPU lists {isa.Name}, and it cannot be used: {isa.WhyNot}.",
                "Run where the kernel and the virtual machine pass it on (AMX: Linux 5.16 or newer).");
        }
        if (Host.HugePages == "never")
        {
            yield return new(false, "The system gives no huge pages, so that reading weights is slower.",
                "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled");
        }
        if (Host.OpenFiles < FewOpenFiles)
        {
            yield return new(
                false, $"{Host.OpenFiles} files may be open; serve takes one for each connection.",
                "ulimit -n 65536, or LimitNOFILE=65536 in the unit.");
        }
        if (!Host.HasOpenSsl)
        {
            yield return new(false, "There is no OpenSSL, so that nothing can be fetched over https.",
                "apt-get install libssl3, where models are to be pulled.");
        }
        if (Cuda.WhyNone is { } reason)
        {
            yield return new(
                false, $"No GPU: {reason}", "Nothing, where the CPU is to compute.");
        }
        foreach (SurveyedGpu gpu in Cuda.Gpus.Where(gpu => gpu.WhyNot is not null))
        {
            yield return new(false, $"GPU {gpu.Ordinal} cannot be used: {gpu.WhyNot}",
                "Nothing, where other GPUs or the CPU are to compute.");
        }
    }

    private bool HasInHardware(string isa) => isa switch
    {
        "avx2" => Host.CpuFlags.Contains("avx2"),
        "avx512" => Host.CpuFlags.Contains("avx512f"),
        "avx512-bf16" => Host.CpuFlags.Contains("avx512_bf16"),
        "amx" => Host.CpuFlags.Contains("amx_tile"),
        _ => false,
    };
}
