using System.CommandLine;
using PdEngine.Bench;
using Spectre.Console;

namespace PdEngine.Host;

/// <summary>
/// <c>pdengine bench model</c>: whole-model prefill and decode against the machine's limits and a peer.
/// </summary>
internal sealed class BenchModelVerb
{
    private readonly Option<string?> _model = new("--model", "-m")
    {
        Description = "Checkpoint, a Hugging Face folder or a GGUF file; absent: --shape.", HelpName = "PATH",
    };

    private readonly Option<string> _dtype = new("--dtype")
    {
        Description = "How weights are held: bf16 or int8.",
        DefaultValueFactory = _ => "bf16",
        HelpName = "NAME",
    };

    private readonly Option<string?> _rows = new("--rows")
    {
        Description = "prefill-TOKENS, decode-BATCH[-CONTEXT], mixed[-TOKENS[-BATCH[-CONTEXT]]]; absent: "
            + string.Join(",", ModelRowSpec.All.Select(row => row.Name)) + ".",
        HelpName = "NAMES",
    };

    private readonly Option<bool> _ops = new("--ops")
    {
        Description = "Shows what each op of each row costs.",
    };

    private readonly BenchShape _shape = new("qwen3-0.6b", "Small rows of the tiny shape",
        "absent, and without --model");
    private readonly BenchFlags _flags = new(defaultRepeats: 5);

    public static Command Create()
    {
        BenchModelVerb verb = new();
        Verb model = new("model", "Whole-model prefill and decode on random or real weights.")
        {
            Examples =
            [
                "pdengine bench model --shape qwen3-0.6b",
                "pdengine bench model --model Qwen3-0.6B/ --rows prefill-512,decode-8 --ops",
            ],
        };
        foreach (Option option in new Option[]
            { verb._model, verb._dtype, verb._rows, verb._ops })
        {
            model.Options.Add(option);
        }
        verb._shape.AddTo(model);
        verb._flags.AddTo(model);
        model.SetAction(parsed => CommandLine.GuardAsync(() => Task.FromResult(verb.Run(parsed))));
        return model;
    }

    private int Run(ParseResult parsed)
    {
        bool isQuick = _shape.IsQuick(parsed);
        string? names = parsed.GetValue(_rows);
        ModelSettings settings = new()
        {
            Isa = _flags.Isa(parsed),
            Threads = _flags.Threads(parsed),
            Dtype = BenchFlags.Dtype(parsed, _dtype),
            Rows = names is not null ? ModelRowSpec.Parse(names)
                : isQuick ? ModelRowSpec.Quick : ModelRowSpec.All,
            Repeats = _flags.Repeats(parsed),
            WithPeer = _flags.WithPeer(parsed),
            WithOps = parsed.GetValue(_ops),
            ProbeMilliseconds = isQuick ? 5 : 150,
            Attempts = isQuick ? 1 : 3,
        };
        (string name, string path) = Model(parsed);
        _flags.CheckJson(parsed);
        ModelResult result;
        try
        {
            result = new ModelSweep(settings, Console.Error.WriteLine).Run(path);
        }
        catch (PeerException error)
        {
            Console.Error.WriteLine($"pdengine: {error.Message}");
            return CommandLine.Failed;
        }
        IReadOnlyList<BenchRow> rows = result.Rows;
        IAnsiConsole console = _flags.Console(parsed);
        BenchReport.Print(
            console, $"{name}, {rows[0].Dtype}, {rows[0].Isa}, {rows[0].Threads} threads", rows,
            $"llama.cpp {WeightDtypes.PeerType(settings.Dtype)} tokens/s");
        foreach (OpTable ops in result.Ops)
            ops.Print(console);
        _flags.WriteJson(parsed, target => BenchReport.WriteJson(target, rows));
        return CommandLine.Done;
    }

    private (string Name, string Path) Model(ParseResult parsed)
    {
        string? model = parsed.GetValue(_model);
        if (model is not null && _shape.IsGiven(parsed))
            throw new OptionsException("--shape", "with --model it has nothing to say; leave one out");
        if (model is not null)
            return (model, RandomModel.Resolve(model, 0));
        string shape = _shape.Name(parsed);
        return ($"{shape} shape", RandomModel.OfShape(shape));
    }
}
