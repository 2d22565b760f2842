using System.CommandLine;

namespace PdEngine.Host;

/// <summary>Which GPUs compute, and by which of NVIDIA's libraries.</summary>
internal sealed class GpuFlags
{
    private static readonly (string Name, GemmKind Kind)[] Gemms =
        [("own", GemmKind.Own), ("cublaslt", GemmKind.CublasLt)];

    private readonly Option<string?> _devices = new("--devices")
    {
        Description = "GPU of each device of the plan, for example cuda:0,cuda:0; one named twice is shared; "
            + "absent: one for each device, from the first on.",
        HelpName = "LIST",
    };

    private readonly Option<float?> _prefillFraction = new("--prefill-sm-fraction")
    {
        Description = "Share of a GPU's multiprocessors for prefill workers where decode workers share it; "
            + "absent: all take all.",
        HelpName = "F",
    };

    private readonly Option<string> _gemm = new("--gemm")
    {
        Description = "own, or cublaslt: NVIDIA's matrix products, whose bits depend on the batch.",
        DefaultValueFactory = _ => "own",
        HelpName = "NAME",
    };

    private readonly Option<bool> _noGraph =
        new("--disable-cuda-graph") { Description = "Launches decode steps kernel by kernel." };

    private readonly Option<bool> _noOverlap = new("--disable-overlap-schedule")
    {
        Description = "Starts a step on a GPU when the results of the one before are there.",
    };

    private readonly Option<string?> _driver = File("--cuda-driver", "the CUDA driver");

    private readonly Option<string?> _nccl =
        File("--nccl-library", "NCCL, for ranks whose GPUs do not reach each other");

    private readonly Option<string?> _cublas = File("--cublaslt-library", "cuBLASLt, for --gemm cublaslt");

    public void AddTo(Command verb)
    {
        _gemm.CompletionSources.Add([.. Gemms.Select(one => one.Name)]);
        foreach (Option option in new Option[]
        {
            _devices, _prefillFraction, _gemm, _noGraph, _noOverlap, _driver, _nccl, _cublas,
        })
        {
            verb.Options.Add(option);
        }
    }

    public EngineOptions Join(ParseResult parsed, EngineOptions options) => options with
    {
        Devices = parsed.GetValue(_devices),
        PrefillSmFraction = parsed.GetValue(_prefillFraction),
        Gemm = EngineFlags.Choice<GemmKind>("--gemm", parsed.GetValue(_gemm)!, Gemms),
        DisableCudaGraph = parsed.GetValue(_noGraph),
        DisableOverlapSchedule = parsed.GetValue(_noOverlap),
        CudaDriver = parsed.GetValue(_driver),
        NcclLibrary = parsed.GetValue(_nccl),
        CublasLibrary = parsed.GetValue(_cublas),
    };

    /// <summary>As the flag names it.</summary>
    public static string NameOf(GemmKind gemm) => Array.Find(Gemms, one => one.Kind == gemm).Name;

    private static Option<string?> File(string name, string what) => new(name)
    {
        Description = $"File of {what}; absent: the system's own.", HelpName = "PATH",
    };
}
