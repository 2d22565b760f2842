using System.CommandLine;
using PdEngine.Bench;

namespace PdEngine.Host;

/// <summary>
/// <c>pdengine bench update</c>: what pushing whole weights takes, and what it does to streams.
/// </summary>
internal sealed class BenchUpdateVerb
{
    private readonly Option<string?> _arms = new("--arms")
    {
        Description = $"Of {string.Join(",", UpdateArm.All.Select(arm => arm.Name))}; absent: all.",
        HelpName = "NAMES",
    };

    private readonly Option<int> _streams = new("--streams")
    {
        Description = "Sequences that decode meanwhile.", DefaultValueFactory = _ => 8, HelpName = "N",
    };

    private readonly Option<int> _context = new("--context")
    {
        Description = "Prompt tokens of each.", DefaultValueFactory = _ => 128, HelpName = "N",
    };

    private readonly BenchShape _shape = new("qwen3-0.6b", "Few streams of the tiny shape");
    private readonly BenchFlags _flags = new(defaultRepeats: 3, hasPeer: false);

    public static Command Create()
    {
        BenchUpdateVerb verb = new();
        Verb command = new(
            "update", "Weight updates from memory beside streams that decode, in every pause mode.")
        {
            Examples = ["pdengine bench update --shape qwen3-0.6b"],
        };
        foreach (Option option in new Option[]
            { verb._arms, verb._streams, verb._context })
        {
            command.Options.Add(option);
        }
        verb._shape.AddTo(command);
        verb._flags.AddTo(command);
        command.SetAction((parsed, cancellation) =>
            CommandLine.GuardAsync(() => verb.RunAsync(parsed, cancellation)));
        return command;
    }

    private async Task<int> RunAsync(ParseResult parsed, CancellationToken cancellation)
    {
        bool isQuick = _shape.IsQuick(parsed);
        int streams = BenchFlags.Within(parsed, _streams, 1, 256);
        int context = BenchFlags.Within(parsed, _context, 1, 4096);
        UpdateSettings settings = new()
        {
            Isa = _flags.Isa(parsed), Threads = _flags.Threads(parsed),
            Arms = UpdateArm.Parse(parsed.GetValue(_arms)), Streams = isQuick ? 3 : streams,
            ContextTokens = isQuick ? 24 : context, Repeats = isQuick ? 2 : _flags.Repeats(parsed),
            SettleTokens = isQuick ? 4 : 16, ProbeMilliseconds = isQuick ? 5 : 150,
        };
        string shape = _shape.Name(parsed);
        string path = RandomModel.OfShape(shape);
        _flags.CheckJson(parsed);
        UpdateSweep sweep = new(settings, Console.Error.WriteLine);
        IReadOnlyList<UpdateRow> rows = await sweep.RunAsync(path, cancellation).ConfigureAwait(false);
        string title = $"{shape}, {rows[0].Isa}, {settings.Threads} threads, {settings.Streams} streams at "
            + $"{settings.ContextTokens}; medians of {settings.Repeats} updates";
        return _flags.Report(
            parsed, console => UpdateReport.Print(console, title, rows),
            target => UpdateReport.WriteJson(target, rows));
    }
}
