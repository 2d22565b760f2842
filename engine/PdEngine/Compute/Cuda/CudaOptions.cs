using PdEngine.Interop;

namespace PdEngine;

/// <summary>Which GPUs an engine takes, and how they are reached.</summary>
internal sealed record CudaOptions
{
    /// <summary>The driver's file; null is the system's own.</summary>
    public string? DriverPath { get; init; }

    /// <summary>Images of the kernels here are taken before those of the library.</summary>
    public string ImagesFolder { get; init; } = Path.Combine(AppContext.BaseDirectory, "cuda-images");

    /// <summary>Where images lie that were compiled for a GPU that the library has none for.</summary>
    public string CacheFolder { get; init; } = Path.Combine(
        Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache", "pdengine", "cuda");

    /// <summary>NVRTC's file, should something be compiled; null is the system's own.</summary>
    public string? CompilerPath { get; init; }

    /// <summary>NCCL's file, should ranks have to gather with it; null is the system's own.</summary>
    public string? NcclPath { get; init; }

    /// <summary>How long ranks wait for one another before they give up.</summary>
    public TimeSpan NcclTimeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>
    /// Share of a GPU's multiprocessors that prefill gets where decode is on the same GPU; null splits none.
    /// </summary>
    public double? PrefillFraction { get; init; }

    /// <summary>What the devices of the plan compute; none: it makes no difference.</summary>
    public IReadOnlyList<WorkerType> Roles { get; init; } = [];

    /// <summary>What computes products.</summary>
    public GemmKind Gemm { get; init; }

    /// <summary>cuBLASLt's file, where it computes products; null is the system's own.</summary>
    public string? CublasPath { get; init; }

    /// <summary>Decode batches are launched as graphs.</summary>
    public bool UsesGraphs { get; init; } = true;

    /// <summary>A step is put on a GPU before the results of the one before are awaited.</summary>
    public bool RunsAhead { get; init; } = true;

    /// <summary>
    /// GPU of each device of the plan, as the driver counts; a GPU may be named more than once. Null takes
    /// GPUs in order, and shares them evenly where there are more devices.
    /// </summary>
    public IReadOnlyList<int>? Gpus { get; init; }

    /// <summary>Reads a list such as <c>cuda:0,cuda:0</c>.</summary>
    /// <exception cref="OptionsException">It is not one, or not of as many devices as there are.</exception>
    public static IReadOnlyList<int>? ParseGpus(string? list, int deviceCount)
    {
        if (list is null)
            return null;
        List<int> gpus = [];
        foreach (string name in list.Split(',', StringSplitOptions.TrimEntries))
        {
            bool isGpu = name.StartsWith("cuda:", StringComparison.Ordinal)
                & int.TryParse(name[(name.IndexOf(':') + 1)..], out int ordinal);
            if (!isGpu || ordinal < 0)
                throw new OptionsException("devices", $"'{name}' is no device such as cuda:0");
            gpus.Add(ordinal);
        }
        if (gpus.Count != deviceCount)
        {
            throw new OptionsException(
                "devices",
                $"'{list}' names {gpus.Count}, and the plan has {deviceCount}: name a GPU for each");
        }
        return gpus;
    }
}
