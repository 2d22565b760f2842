using System.CommandLine;
using PdEngine.Bench;

namespace PdEngine.Host;

/// <summary><c>pdengine bench kernels</c>: prefill and decode kernels one by one.</summary>
internal sealed class BenchKernelsVerb
{
    private const int MostRows = 16_384, MostBatch = 256, MostContext = 131_072;
    private static readonly string[] AllOps = ["matmul", "attention", .. SmallKernels.Ops];

    private readonly Option<string?> _op = List(
        "--op", $"Of {string.Join(",", AllOps)}; small is those after attention; absent: all.");

    private readonly Option<string?> _shape = List(
        "--shape", $"Of {string.Join(",", RandomModel.Shapes)}; absent: qwen3-0.6b,smollm2-135m.");

    private readonly Option<string?> _heads = List(
        "--heads", "Heads of attention, QUERY_HEADS/KV_HEADS/HEAD_DIM; absent: those of the shapes.");

    private readonly Option<string?> _rows = List(
        "--rows", "Rows of products and small ops, and prompts of attention; absent: "
        + "1,2,4,8,16,32,128,512,2048.");

    private readonly Option<string?> _batches = List(
        "--batches", "Sequences of attention that decode; absent: 1,8,32.");

    private readonly Option<string?> _contexts = List(
        "--contexts", "Positions behind each sequence; absent: 512,4096.");

    private readonly Option<string?> _isa = List(
        "--isa", "Instruction sets; absent: all that this CPU has.");

    private readonly Option<string?> _threads = List("--threads", "Thread counts; absent: 1 and all cores.");

    private readonly Option<string> _dtype = new("--dtype")
    {
        Description = "How weights are held: bf16 or int8.",
        DefaultValueFactory = _ => "bf16",
        HelpName = "NAME",
    };

    private readonly Option<bool> _quick = new("--quick")
    {
        Description = "Few sizes of the tiny shape: says that it runs, not how fast.",
    };

    private readonly Option<string?> _svg = new("--svg")
    {
        Description = "Writes a roofline chart.", HelpName = "FILE",
    };

    private readonly BenchOutput _output = new();

    public static Command Create()
    {
        BenchKernelsVerb verb = new();
        Verb kernels = new(
            "kernels", "Prefill and decode kernels one by one, each against the machine's limits.")
        {
            Examples =
            [
                "pdengine bench kernels --op matmul --rows 1,512",
                "pdengine bench kernels --quick --json -",
            ],
        };
        foreach (Option option in new Option[]
        {
            verb._op, verb._shape, verb._heads, verb._rows, verb._batches, verb._contexts, verb._isa,
            verb._threads, verb._dtype, verb._quick, verb._svg,
        })
        {
            kernels.Options.Add(option);
        }
        verb._output.AddTo(kernels);
        kernels.SetAction(parsed => CommandLine.GuardAsync(() => Task.FromResult(verb.Run(parsed))));
        return kernels;
    }

    private int Run(ParseResult parsed)
    {
        KernelSettings settings = Settings(parsed);
        string? svg = parsed.GetValue(_svg);
        _output.CheckJson(parsed);
        BenchFlags.CheckFile("--svg", svg);
        IReadOnlyList<KernelRow> rows = new KernelSweep(settings, Console.Error.WriteLine).Run();
        if (rows.Count == 0)
            throw new OptionsException(_op.Name, "these flags leave nothing to measure");
        KernelReport.Print(_output.Console(parsed), rows);
        _output.WriteJson(parsed, target => KernelReport.WriteJson(target, rows));
        if (svg is not null)
        {
            using Stream target = File.Create(svg);
            Roofline.Write(target, rows);
        }
        return CommandLine.Done;
    }

    private KernelSettings Settings(ParseResult parsed)
    {
        bool isQuick = parsed.GetValue(_quick);
        string Words(Option<string?> option, string full, string quick) =>
            parsed.GetValue(option) ?? (isQuick ? quick : full);
        IReadOnlyList<int> Sizes(Option<string?> option, string full, string quick, int most) =>
            BenchFlags.Numbers(option.Name, Words(option, full, quick), 1, most);
        int cores = Environment.ProcessorCount;
        IReadOnlyList<int> threads = Sizes(_threads, cores == 1 ? "1" : $"1,{cores}", $"{cores}", 1024);
        EngineFlags.ThrowIfOverCores(threads.Max());
        return new KernelSettings
        {
            Ops = Ops(parsed.GetValue(_op)),
            Shapes = [.. Words(_shape, "qwen3-0.6b,smollm2-135m", "tiny").Split(',').Select(KernelShape.Of)],
            Heads = parsed.GetValue(_heads) is { } heads
                ? [.. heads.Split(',').Select(KernelShape.HeadsOf)]
                : [],
            Rows = Sizes(_rows, "1,2,4,8,16,32,128,512,2048", "1,8,96", MostRows),
            Batches = Sizes(_batches, "1,8,32", "1,4", MostBatch),
            Contexts = Sizes(_contexts, "512,4096", "64", MostContext),
            Isas = Isas(parsed.GetValue(_isa)),
            Threads = threads,
            Dtype = BenchFlags.Dtype(parsed, _dtype),
            ChunkTokens = isQuick ? 32 : 256,
            RowMilliseconds = isQuick ? 1 : 80,
            ProbeMilliseconds = isQuick ? 5 : 100,
            Attempts = isQuick ? 1 : 3,
        };
    }

    private string[] Ops(string? given)
    {
        if (given is null)
            return AllOps;
        List<string> ops = [];
        foreach (string op in given.Split(','))
        {
            if (op == "small")
                ops.AddRange(SmallKernels.Ops);
            else if (AllOps.Contains(op))
                ops.Add(op);
            else
                throw new OptionsException(_op.Name, $"'{op}' is none of {string.Join(", ", AllOps)}, small");
        }
        return [.. ops];
    }

    /// <summary>Those that are named, else all that run here; the emulated one is for tests.</summary>
    private static CpuIsa[] Isas(string? given) => given is not null
        ? [.. given.Split(',').Select(name => CpuIsaSupport.Resolve(BenchFlags.IsaOf(name)))]
        : [.. CpuIsaSupport.All.Where(isa => isa != CpuIsa.AmxEmulated && CpuIsaSupport.WhyNot(isa) is null)];

    private static Option<string?> List(string name, string description) =>
        new(name) { Description = description, HelpName = "LIST" };
}
