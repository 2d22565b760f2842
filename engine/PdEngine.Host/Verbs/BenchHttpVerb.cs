using System.CommandLine;
using System.Globalization;
using System.Runtime.CompilerServices;
using PdEngine.Bench;

namespace PdEngine.Host;

/// <summary><c>pdengine bench http</c>: what HTTP takes of the engine's tokens a second.</summary>
internal sealed class BenchHttpVerb
{
    private const string Tiny = "pd-tiny";
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);

    private readonly Option<string?> _shape = new("--shape")
    {
        Description = $"{Tiny}, or random weights of a real shape: {string.Join(", ", RandomModel.Shapes)}; "
            + "absent: smollm2-135m.",
        HelpName = "NAME",
    };

    private readonly Option<int> _streams = new("--streams")
    {
        Description = "Streams at once.", DefaultValueFactory = _ => 32, HelpName = "N",
    };

    private readonly Option<int> _tokens = new("--tokens")
    {
        Description = "Tokens of each.", DefaultValueFactory = _ => 80, HelpName = "N",
    };

    private readonly Option<int> _requests = new("--requests")
    {
        Description = "Requests of each stream, one behind another, in a turn.",
        DefaultValueFactory = _ => 1, HelpName = "N",
    };

    private readonly Option<string?> _arms = new("--arms")
    {
        Description = "Of generate,deltas,completions; absent: all.", HelpName = "NAMES",
    };

    private readonly Option<bool> _quick = new("--quick")
    {
        Description = "Few tokens of pd-tiny: says that it runs, not how fast.",
    };

    private readonly BenchFlags _flags = new(defaultRepeats: 5, hasPeer: false);

    public static Command Create()
    {
        BenchHttpVerb verb = new();
        Verb command = new(
            "http", "The same streams in process and by HTTP, by turns, clients on the same machine.")
        {
            Examples =
            [
                "pdengine bench http --shape smollm2-135m --tokens 40",
                "pdengine bench http --shape pd-tiny --tokens 480 --requests 4 --repeats 10",
            ],
        };
        foreach (Option option in new Option[]
            { verb._shape, verb._streams, verb._tokens, verb._requests, verb._arms, verb._quick })
        {
            command.Options.Add(option);
        }
        verb._flags.AddTo(command);
        command.SetAction((parsed, cancellation) =>
            CommandLine.GuardAsync(() => verb.RunAsync(parsed, cancellation)));
        return command;
    }

    private async Task<int> RunAsync(ParseResult parsed, CancellationToken cancellation)
    {
        bool isQuick = parsed.GetValue(_quick);
        HttpCostSettings settings = new()
        {
            Isa = _flags.Isa(parsed), Threads = _flags.Threads(parsed),
            Streams = BenchFlags.Within(parsed, _streams, 1, 1024),
            Tokens = isQuick ? 8 : BenchFlags.Within(parsed, _tokens, 2, 1 << 16),
            Requests = BenchFlags.Within(parsed, _requests, 1, 1 << 16),
            WarmUp = TimeSpan.FromSeconds(isQuick ? 0 : 5),
            Repeats = isQuick ? 2 : _flags.Repeats(parsed), ProbeMilliseconds = isQuick ? 5 : 150,
        };
        string shape = parsed.GetValue(_shape) ?? (isQuick ? Tiny : "smollm2-135m");
        EngineOptions options = OptionsOf(shape, settings);
        _flags.CheckJson(parsed);
        Engine engine = await Engine.StartAsync(options, cancellation).ConfigureAwait(false);
        await using ConfiguredAsyncDisposable disposal = engine.ConfigureAwait(false);
        HttpServer server = await HttpServer.StartAsync(
            engine, plan: null, new ServeOptions { Port = 0, ModelPath = options.ModelPath })
            .ConfigureAwait(false);
        await using ConfiguredAsyncDisposable stop = server.ConfigureAwait(false);
        List<HttpArm> arms = Chosen(parsed, Arms(engine.Models[0], server.Address, settings));
        IReadOnlyList<HttpCostRow> rows = await new HttpCostBench(settings, Console.Error.WriteLine)
            .RunAsync(arms, cancellation).ConfigureAwait(false);
        HttpCostReport.Print(
            _flags.Console(parsed),
            $"{shape}, {rows[0].Isa}, {settings.Threads} threads, {settings.Streams} streams of "
            + $"{settings.Tokens} tokens; medians of {settings.Repeats} turns", rows);
        _flags.WriteJson(parsed, target => HttpCostReport.WriteJson(target, rows));
        return CommandLine.Done;
    }

    private static EngineOptions OptionsOf(string shape, HttpCostSettings settings)
    {
        EngineOptions options = new()
        {
            ModelPath = shape == Tiny ? DefaultModel.Name : RandomModel.OfShape(shape),
            Backend = BackendKind.Cpu, Isa = settings.Isa, ThreadCount = settings.Threads,
            MaxRunningRequests = settings.Streams,
            MaxTotalTokens = settings.Streams * (settings.Tokens + 64) * 2,
        };
        return shape == Tiny ? options with { MemoryFolders = [DefaultModel.Open()] } : options;
    }

    /// <summary>The first, which the others are held against, is always among them.</summary>
    private List<HttpArm> Chosen(ParseResult parsed, List<HttpArm> all)
    {
        if (parsed.GetValue(_arms) is not { } list)
            return all;
        string known = string.Join(", ", all.Skip(1).Select(arm => arm.Name));
        return [all[0], .. list.Split(',').Select(name => all.Skip(1).FirstOrDefault(arm => arm.Name == name)
            ?? throw new OptionsException(_arms.Name, $"there is no '{name}'; there are {known}"))];
    }

    private static List<HttpArm> Arms(EngineModel model, Uri server, HttpCostSettings settings)
    {
        DrainingClient client = new(server, Patience);
        List<HttpArm> arms =
        [
            new("in-process", cancellation => InProcessAsync(model, settings, cancellation)),
            Http("generate", "/generate", Native(sendsDeltas: "false")),
            Http("deltas", "/generate", Native(sendsDeltas: "true")),
        ];
        if (model.Tokenizer is not null)
        {
            arms.Add(Http("completions", "/v1/completions", index => $$"""
                {"prompt":[{{First(index)}}],"stream":true,"stream_options":{"include_usage":true},
                "max_tokens":{{Count(settings.Tokens)}},"ignore_eos":true,"seed":1}
                """));
        }
        return arms;

        Func<int, string> Native(string sendsDeltas) => index => $$"""
            {"input_ids":[{{First(index)}}],"stream":true,"incremental_streaming_output":{{sendsDeltas}},
            "sampling_params":{"max_new_tokens":{{Count(settings.Tokens)}},"ignore_eos":true,
            "sampling_seed":1} }
            """;

        HttpArm Http(string name, string path, Func<int, string> body) => new(name, cancellation =>
            Task.Factory.StartNew(
                () => client.Run(
                    path, [.. Enumerable.Range(0, settings.Streams).Select(body)], settings.Requests,
                    cancellation),
                cancellation, TaskCreationOptions.LongRunning, TaskScheduler.Default));
    }

    private static async Task<HttpArmRun> InProcessAsync(
        EngineModel model, HttpCostSettings settings, CancellationToken cancellation)
    {
        (int Tokens, int Chunks)[] streams = await Task.WhenAll(
            Enumerable.Range(0, settings.Streams).Select(index => ReadAsync(model, settings, index,
                cancellation))).ConfigureAwait(false);
        return new(streams.Sum(one => one.Tokens), streams.Sum(one => one.Chunks), 0);
    }

    private static async Task<(int Tokens, int Chunks)> ReadAsync(
        EngineModel model, HttpCostSettings settings, int index, CancellationToken cancellation)
    {
        GenerateRequest request = new()
        {
            InputIds = new[] { FirstToken(index) },
            Sampling = new SamplingParams
            {
                MaxNewTokens = settings.Tokens, IgnoreEos = true, SamplingSeed = 1,
            },
        };
        (int tokens, int chunks) = (0, 0);
        for (int i = 0; i < settings.Requests; i++)
        {
            TokenStream stream = model.Stream(request);
            await foreach (TokenChunk chunk in stream.WithCancellation(cancellation).ConfigureAwait(false))
                (tokens, chunks) = (tokens + chunk.TokenIds.Count, chunks + 1);
        }
        return (tokens, chunks);
    }

    private static int FirstToken(int index) => 5 + (index % 64);

    private static string First(int index) => Count(FirstToken(index));

    private static string Count(int number) => number.ToString(CultureInfo.InvariantCulture);
}
