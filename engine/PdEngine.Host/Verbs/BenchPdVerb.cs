using System.CommandLine;
using PdEngine.Bench;
using Spectre.Console;

namespace PdEngine.Host;

/// <summary>
/// <c>pdengine bench pd</c>: serving with prefill and decode apart, against colocated arms and a peer.
/// </summary>
internal sealed class BenchPdVerb
{
    private readonly Option<string?> _model = new("--model", "-m")
    {
        Description = $"Checkpoint, or random:SHAPE ({string.Join(", ", RandomModel.Shapes)}); absent: "
            + "random:qwen3-0.6b for injection, random:smollm2-135m for agentic.",
        HelpName = "PATH",
    };

    private readonly Option<string?> _arms = new("--arms")
    {
        Description = $"Of {string.Join(",", PdArm.All.Select(arm => arm.Name))}; absent: all.",
        HelpName = "NAMES",
    };

    private readonly Option<float> _stall = new("--stall-seconds")
    {
        Description = "A longer gap between two tokens of a stream is a stall.",
        DefaultValueFactory = _ => 0.5f,
        HelpName = "F",
    };

    private readonly Option<float> _temperature = new("--temperature")
    {
        Description = "0 is greedy; else tokens are drawn with seeds, the same in every arm.",
        DefaultValueFactory = _ => 1f,
        HelpName = "F",
    };

    private readonly Option<int> _seed = new("--seed")
    {
        Description = "Seed of prompts and draws.", DefaultValueFactory = _ => 0, HelpName = "N",
    };

    private readonly Option<string> _domain = new("--kv-domain")
    {
        Description = "host: hand-offs move no byte; device: they copy.",
        DefaultValueFactory = _ => "host",
        HelpName = "NAME",
    };

    private readonly Option<string?> _svg = new("--svg")
    {
        Description = "Writes a chart of every stream's tokens over time.", HelpName = "FILE",
    };

    private readonly LoadFlags _loads = new();
    private readonly BenchFlags _flags = new(defaultRepeats: 1);

    public static Command Create()
    {
        BenchPdVerb verb = new();
        Verb command = new("pd",
            "Prefill and decode on separate workers against colocated ones and llama.cpp.")
        {
            Details = "Each arm is measured from a cold start.",
            Examples =
            [
                "pdengine bench pd --load injection",
                "pdengine bench pd --load agentic --sessions 6 --turns 6 --svg chart.svg",
            ],
        };
        foreach (Option option in new Option[]
            { verb._model, verb._arms, verb._stall, verb._temperature, verb._seed, verb._domain, verb._svg })
        {
            command.Options.Add(option);
        }
        verb._loads.AddTo(command);
        verb._flags.AddTo(command);
        command.SetAction(parsed => CommandLine.GuardAsync(() => verb.RunAsync(parsed)));
        return command;
    }

    private async Task<int> RunAsync(ParseResult parsed)
    {
        PdSettings settings = Settings(parsed);
        IReadOnlyList<IServingLoad> loads = _loads.Read(parsed);
        string? model = parsed.GetValue(_model) ?? (_loads.IsQuick(parsed) ? "random:tiny" : null);
        string? svg = parsed.GetValue(_svg);
        _flags.CheckJson(parsed);
        BenchFlags.CheckFile("--svg", svg);
        foreach (IServingLoad load in loads)
            PdSweep.Check(load, model);
        PdSweep sweep = new(settings, Console.Error.WriteLine);
        List<PdResult> results = [];
        await sweep.WarmUpAsync().ConfigureAwait(false);
        foreach (IServingLoad load in loads)
            results.Add(await sweep.RunAsync(load, model).ConfigureAwait(false));
        IAnsiConsole console = _flags.Console(parsed);
        foreach (PdResult result in results)
            PdReport.Print(console, result);
        _flags.WriteJson(parsed, target => PdJson.Write(target, results));
        if (svg is not null)
        {
            using Stream target = File.Create(svg);
            StripChart.Write(target, results);
        }
        string[] differences = [.. results.Select(result => result.Difference).OfType<string>()];
        foreach (string difference in differences)
            Console.Error.WriteLine($"pdengine: the arms made different tokens: {difference}");
        return differences.Length == 0 ? CommandLine.Done : CommandLine.Failed;
    }

    private PdSettings Settings(ParseResult parsed)
    {
        float stall = parsed.GetValue(_stall), temperature = parsed.GetValue(_temperature);
        if (!(stall > 0 && stall <= 3600))
            throw new OptionsException(_stall.Name, $"{stall} is not above 0 and at most 3600");
        if (!(temperature >= 0 && temperature <= 100))
            throw new OptionsException(_temperature.Name, $"{temperature} is not in 0 to 100");
        PdArm[] arms = [.. PdArm.Parse(parsed.GetValue(_arms))
            .Where(arm => _flags.WithPeer(parsed) || !arm.IsPeer)];
        if (arms.Length == 0)
            throw new OptionsException(_arms.Name, "without llama.cpp there is none left");
        return new PdSettings
        {
            Arms = arms,
            Isa = _flags.Isa(parsed),
            Threads = _flags.Threads(parsed),
            Repeats = _flags.Repeats(parsed),
            StallSeconds = stall,
            ProbeMilliseconds = _loads.IsQuick(parsed) ? 5 : 150,
            Temperature = temperature,
            Seed = BenchFlags.Within(parsed, _seed, 0, int.MaxValue),
            KvDomain = parsed.GetValue(_domain) switch
            {
                "host" => KvDomainKind.Host,
                "device" => KvDomainKind.Device,
                string other => throw new OptionsException(
                    _domain.Name, $"'{other}' is neither host nor device"),
                null => throw new OptionsException(_domain.Name, "it needs a name"),
            },
        };
    }
}
