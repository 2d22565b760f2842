using System.CommandLine;
using PdEngine.Bench;

namespace PdEngine.Host;

/// <summary>
/// <c>pdengine bench foreign</c>: what a foreign process on one core costs prefill and decode.
/// </summary>
internal sealed class BenchForeignVerb
{
    private readonly Option<string> _rows = new("--rows")
    {
        Description = "As bench model takes them.",
        DefaultValueFactory = _ => "prefill-512,decode-1,decode-8",
        HelpName = "NAMES",
    };

    private readonly Option<int> _core = new("--core")
    {
        Description = "The core that the foreign process is held to.",
        DefaultValueFactory = _ => 0,
        HelpName = "N",
    };

    private readonly BenchShape _shape = new("smollm2-135m", "A small row of the tiny shape");
    private readonly BenchFlags _flags = new(defaultRepeats: 3);

    public static Command Create()
    {
        BenchForeignVerb verb = new();
        Verb foreign = new(
            "foreign", "Prefill and decode beside a foreign process that keeps one core busy.")
        {
            Examples = ["pdengine bench foreign --core 0"],
        };
        foreach (Option option in new Option[] { verb._rows, verb._core })
            foreign.Options.Add(option);
        verb._shape.AddTo(foreign);
        verb._flags.AddTo(foreign);
        foreign.SetAction(parsed => CommandLine.GuardAsync(() => Task.FromResult(verb.Run(parsed))));
        return foreign;
    }

    private int Run(ParseResult parsed)
    {
        bool isQuick = _shape.IsQuick(parsed);
        int core = parsed.GetValue(_core);
        if (HostCores.Allowed() is { } cores && !cores.Contains(core))
            throw new OptionsException(_core.Name, $"this process may not use core {core}");
        ModelSettings settings = new()
        {
            Isa = _flags.Isa(parsed),
            Threads = _flags.Threads(parsed),
            Rows = ModelRowSpec.Parse(isQuick ? "decode-2-64" : parsed.GetValue(_rows)!),
            Repeats = isQuick ? 1 : _flags.Repeats(parsed),
            ProbeMilliseconds = isQuick ? 5 : 150,
        };
        string shape = _shape.Name(parsed);
        string path = RandomModel.OfShape(shape);
        _flags.CheckJson(parsed);
        IReadOnlyList<ForeignRow> rows =
            new ForeignSweep(settings, core, Console.Error.WriteLine).Run(path);
        string title =
            $"{shape}, {rows[0].Alone.Isa}, {settings.Threads} threads, a foreign process on core {core}";
        return _flags.Report(
            parsed, console => ForeignReport.Print(console, title, rows),
            target => ForeignReport.WriteJson(target, rows));
    }
}
