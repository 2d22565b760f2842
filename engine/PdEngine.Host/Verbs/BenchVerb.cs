using System.CommandLine;
using PdEngine.Bench;
using Spectre.Console;

namespace PdEngine.Host;

/// <summary>
/// <c>pdengine bench model</c>: whole-model prefill and decode against the machine's limits and a peer.
/// </summary>
internal sealed class BenchVerb
{
    private readonly Option<string> _model = new("--model", "-m")
    {
        Description = $"Checkpoint, or random:SHAPE ({string.Join(", ", RandomModel.Shapes)}).",
        DefaultValueFactory = _ => "random:qwen3-0.6b",
        HelpName = "PATH",
    };

    private readonly Option<CpuIsa> _isa = new("--isa")
    {
        Description = "Instruction set; auto is the best this CPU has.",
        DefaultValueFactory = _ => CpuIsa.Auto,
    };

    private readonly Option<int> _threads = new("--threads")
    {
        Description = "Threads.", DefaultValueFactory = _ => Environment.ProcessorCount, HelpName = "N",
    };

    private readonly Option<int> _repeats = new("--repeats")
    {
        Description = "Timed runs of each row; the median counts.",
        DefaultValueFactory = _ => 5,
        HelpName = "N",
    };

    private readonly Option<bool> _noPeer = new("--no-peer") { Description = "Leaves llama.cpp out." };

    private readonly Option<string?> _json = new("--json")
    {
        Description = "Writes the rows as JSON; - is standard output.", HelpName = "FILE",
    };

    public static Command Create()
    {
        BenchVerb verb = new();
        Command model = new("model", "Whole-model prefill and decode on random or real weights.");
        foreach (Option option in new Option[]
            { verb._model, verb._isa, verb._threads, verb._repeats, verb._noPeer, verb._json })
        {
            model.Options.Add(option);
        }
        model.SetAction(parsed => CommandLine.GuardAsync(() => Task.FromResult(verb.Run(parsed))));
        Command command = new("bench", "Benchmarks, each beside the machine's limits and a peer.");
        command.Subcommands.Add(model);
        return command;
    }

    private int Run(ParseResult parsed)
    {
        string name = parsed.GetValue(_model)!;
        int threads = parsed.GetValue(_threads);
        int repeats = parsed.GetValue(_repeats);
        if (threads is < 1 or > 1024)
            throw new OptionsException("--threads", $"{threads} is not in 1 to 1024");
        if (repeats is < 1 or > 1000)
            throw new OptionsException("--repeats", $"{repeats} is not in 1 to 1000");
        ModelSweep sweep = new(
            RandomModel.Resolve(name, 0), parsed.GetValue(_isa), threads, repeats, !parsed.GetValue(_noPeer));
        IReadOnlyList<BenchRow> rows = sweep.Run(Console.Error.WriteLine);
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Out = new AnsiConsoleOutput(parsed.GetValue(_json) == "-" ? Console.Error : Console.Out),
        });
        string title = $"{name}, {rows[0].Isa}, {threads} threads";
        BenchReport.Print(console, title, rows, "llama.cpp bf16 tokens/s");
        if (parsed.GetValue(_json) is { } file)
        {
            using Stream target = file == "-" ? Console.OpenStandardOutput() : File.Create(file);
            BenchReport.WriteJson(target, rows);
        }
        return CommandLine.Done;
    }
}
