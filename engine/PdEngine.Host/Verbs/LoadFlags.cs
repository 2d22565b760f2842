using System.CommandLine;
using PdEngine.Bench;

namespace PdEngine.Host;

/// <summary>The flags that scale the loads of <c>pdengine bench pd</c>.</summary>
internal sealed class LoadFlags
{
    private const int MostTokens = 131_072;

    private readonly Option<string> _load = new("--load")
    {
        Description = "injection, agentic or both.", DefaultValueFactory = _ => "both", HelpName = "NAME",
    };

    private readonly Option<bool> _quick = new("--quick")
    {
        Description = "Tiny loads on random:tiny: says that it runs, not how fast.",
    };

    private readonly Option<int?> _streams = Scale("--streams", "injection: streams that decode.");
    private readonly Option<int?> _streamTokens =
        Scale("--stream-tokens", "injection: tokens of each stream.");
    private readonly Option<int?> _context = Scale("--context-tokens", "injection: prompt of each stream.");
    private readonly Option<int?> _inject =
        Scale("--inject-tokens", "injection: the prompt that arrives.");
    private readonly Option<int?> _injectAfter =
        Scale("--inject-after", "injection: it arrives when every stream has made so many tokens.");
    private readonly Option<int?> _sessions = Scale("--sessions", "agentic: sessions.");
    private readonly Option<int?> _turns = Scale("--turns", "agentic: turns of each session.");
    private readonly Option<int?> _start = Scale("--start-tokens", "agentic: prompt of the first turn.");
    private readonly Option<int?> _turnTokens =
        Scale("--turn-tokens", "agentic: what a tool adds between two turns.");
    private readonly Option<int?> _output =
        Scale("--output-tokens", "agentic: what the model makes in a turn.");
    private readonly Option<int?> _concurrency =
        Scale("--concurrency", "agentic: sessions at once.");

    public void AddTo(Command verb)
    {
        foreach (Option option in new Option[]
        {
            _load, _quick, _streams, _streamTokens, _context, _inject, _injectAfter, _sessions, _turns,
            _start, _turnTokens, _output, _concurrency,
        })
        {
            verb.Options.Add(option);
        }
    }

    public bool IsQuick(ParseResult parsed) => parsed.GetValue(_quick);

    public IReadOnlyList<IServingLoad> Read(ParseResult parsed)
    {
        InjectionLoad injection = Injection(parsed);
        AgenticLoad agentic = Agentic(parsed);
        return parsed.GetValue(_load) switch
        {
            "injection" => [injection],
            "agentic" => [agentic],
            "both" => [injection, agentic],
            string other => throw new OptionsException(
                "--load", $"'{other}' is none of injection, agentic, both"),
            null => throw new OptionsException("--load", "it needs a name"),
        };
    }

    private InjectionLoad Injection(ParseResult parsed)
    {
        InjectionLoad plain = IsQuick(parsed) ? InjectionLoad.Quick : new InjectionLoad();
        InjectionLoad load = plain with
        {
            Streams = Read(parsed, _streams, plain.Streams, 256),
            StreamTokens = Read(parsed, _streamTokens, plain.StreamTokens, MostTokens),
            ContextTokens = Read(parsed, _context, plain.ContextTokens, MostTokens),
            InjectTokens = Read(parsed, _inject, plain.InjectTokens, MostTokens),
            InjectAfter = Read(parsed, _injectAfter, plain.InjectAfter, MostTokens),
        };
        return load.InjectAfter < load.StreamTokens
            ? load
            : throw new OptionsException(_injectAfter.Name,
                $"{load.InjectAfter} is not below the {load.StreamTokens} tokens that a stream makes");
    }

    private AgenticLoad Agentic(ParseResult parsed)
    {
        AgenticLoad plain = IsQuick(parsed) ? AgenticLoad.Quick : new AgenticLoad();
        return plain with
        {
            Sessions = Read(parsed, _sessions, plain.Sessions, 4096),
            Turns = Read(parsed, _turns, plain.Turns, 1024),
            StartTokens = Read(parsed, _start, plain.StartTokens, MostTokens),
            TurnTokens = Read(parsed, _turnTokens, plain.TurnTokens, MostTokens),
            OutputTokens = Read(parsed, _output, plain.OutputTokens, MostTokens),
            Concurrency = Read(parsed, _concurrency, plain.Concurrency, 256),
        };
    }

    private static int Read(ParseResult parsed, Option<int?> option, int byDefault, int most) =>
        parsed.GetValue(option) is not { } value ? byDefault
        : value >= 1 && value <= most ? value
        : throw new OptionsException(option.Name, $"{value} is not in 1 to {most}");

    private static Option<int?> Scale(string name, string description) =>
        new(name) { Description = $"{description[..^1]}; absent: the load's own.", HelpName = "N" };
}
