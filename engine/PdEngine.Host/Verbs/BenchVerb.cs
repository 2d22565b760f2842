using System.CommandLine;
using PdEngine.Bench;

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

    private readonly BenchFlags _flags = new(defaultRepeats: 5);

    public static Command Create()
    {
        BenchVerb verb = new();
        Command model = new("model", "Whole-model prefill and decode on random or real weights.");
        model.Options.Add(verb._model);
        verb._flags.AddTo(model);
        model.SetAction(parsed => CommandLine.GuardAsync(() => Task.FromResult(verb.Run(parsed))));
        Command command = new("bench", "Benchmarks, each beside the machine's limits and a peer.");
        command.Subcommands.Add(model);
        command.Subcommands.Add(BenchPdVerb.Create());
        command.Subcommands.Add(BenchPriceVerb.Create());
        return command;
    }

    private int Run(ParseResult parsed)
    {
        string name = parsed.GetValue(_model)!;
        int threads = _flags.Threads(parsed);
        int repeats = _flags.Repeats(parsed);
        _flags.CheckJson(parsed);
        ModelSweep sweep = new(
            RandomModel.Resolve(name, 0), _flags.Isa(parsed), threads, repeats, _flags.WithPeer(parsed));
        IReadOnlyList<BenchRow> rows = sweep.Run(Console.Error.WriteLine);
        string title = $"{name}, {rows[0].Isa}, {threads} threads";
        BenchReport.Print(_flags.Console(parsed), title, rows, "llama.cpp bf16 tokens/s");
        _flags.WriteJson(parsed, target => BenchReport.WriteJson(target, rows));
        return CommandLine.Done;
    }
}
