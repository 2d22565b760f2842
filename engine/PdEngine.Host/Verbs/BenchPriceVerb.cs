using System.CommandLine;
using PdEngine.Bench;

namespace PdEngine.Host;

/// <summary><c>pdengine bench price</c>: what int8 costs in accuracy, on golden texts and chats.</summary>
internal sealed class BenchPriceVerb
{
    private readonly Option<string> _model = new("--model", "-m")
    {
        Description = "The checkpoint that the goldens were made of.",
        DefaultValueFactory = _ => "../shared/models/SmolLM2-135M-Instruct.Q4_1.gguf",
        HelpName = "PATH",
    };

    private readonly Option<string> _goldens = new("--goldens")
    {
        Description = "A file of cases: log-probs and greedy answers of an independent implementation.",
        DefaultValueFactory = _ => "../shared/goldens/smollm2/golden.json",
        HelpName = "FILE",
    };

    private readonly Option<string> _isa = new("--isa")
    {
        Description = "Instruction set of the CPU backend, as of generate.",
        DefaultValueFactory = _ => "auto",
        HelpName = "NAME",
    };

    private readonly Option<int> _threads = new("--threads")
    {
        Description = "Threads.", DefaultValueFactory = _ => Environment.ProcessorCount, HelpName = "N",
    };

    private readonly BenchOutput _output = new();

    public static Command Create()
    {
        BenchPriceVerb verb = new();
        Verb command = new("price", "What int8 costs: log-probs, perplexity and greedy answers.")
        {
            Examples = ["pdengine bench price --model SmolLM2.Q4_1.gguf --goldens golden.json"],
        };
        foreach (Option option in new Option[] { verb._model, verb._goldens, verb._isa, verb._threads })
            command.Options.Add(option);
        verb._output.AddTo(command);
        command.SetAction((parsed, cancellation) =>
            CommandLine.GuardAsync(() => verb.RunAsync(parsed, cancellation)));
        return command;
    }

    private async Task<int> RunAsync(ParseResult parsed, CancellationToken cancellation)
    {
        _output.CheckJson(parsed);
        int threads = BenchFlags.Threads(parsed, _threads);
        string model = parsed.GetValue(_model)!;
        Int8Price price = new(
            model, GoldenCase.Read(parsed.GetValue(_goldens)!), BenchFlags.IsaOf(parsed.GetValue(_isa)!),
            threads);
        IReadOnlyList<Int8PriceRow> rows = await price.RunAsync(cancellation).ConfigureAwait(false);
        return _output.Report(
            parsed,
            console => Int8PriceReport.Print(console, $"{Path.GetFileName(model)}: int8 beside bf16", rows),
            target => Int8PriceReport.WriteJson(target, rows));
    }
}
