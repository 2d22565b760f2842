using System.CommandLine;
using PdEngine.Bench;

namespace PdEngine.Host;

/// <summary><c>pdengine bench step</c>: what a decode step costs beside its model.</summary>
internal sealed class BenchStepVerb
{
    private const int MostBatch = 1024;

    private readonly Option<string> _batches = new("--batches")
    {
        Description = "Sequences that decode together.",
        DefaultValueFactory = _ => "1,8,32,128",
        HelpName = "LIST",
    };

    private readonly Option<bool> _quick = new("--quick")
    {
        Description = "Few steps: says that it runs, not how fast.",
    };

    private readonly BenchOutput _output = new();

    public static Command Create()
    {
        BenchStepVerb verb = new();
        Verb step = new(
            "step",
            "The C# work of a decode step alone, with a model that takes no time.")
        {
            Examples = ["pdengine bench step --batches 1,32"],
        };
        step.Options.Add(verb._batches);
        step.Options.Add(verb._quick);
        verb._output.AddTo(step);
        step.SetAction(parsed => CommandLine.GuardAsync(() => Task.FromResult(verb.Run(parsed))));
        return step;
    }

    private int Run(ParseResult parsed)
    {
        IReadOnlyList<int> batches =
            BenchFlags.Numbers(_batches.Name, parsed.GetValue(_batches)!, 1, MostBatch);
        _output.CheckJson(parsed);
        bool isQuick = parsed.GetValue(_quick);
        StepBench bench = new(isQuick ? new StepSettings(Context: 96, Steps: 20, Rounds: 2) : new());
        List<StepRow> rows = [];
        foreach (StepVariant variant in StepVariants.All)
        {
            foreach (int batch in batches)
                rows.Add(bench.Run(batch, variant));
        }
        return _output.Report(
            parsed, console => StepReport.Print(console, rows),
            target => StepReport.WriteJson(target, rows));
    }
}
