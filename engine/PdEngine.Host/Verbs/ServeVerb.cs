using System.CommandLine;
using System.Runtime.CompilerServices;

namespace PdEngine.Host;

/// <summary><c>pdengine serve</c>: the engine behind HTTP, until it is told to end.</summary>
internal sealed class ServeVerb
{
    public const string Name = "serve";

    private readonly EngineFlags _engine = new();
    private readonly ServeFlags _serve = new();

    private readonly Option<bool> _json = new("--json")
    {
        Description = "Prints the line that says where it listens as JSON.",
    };

    public static Command Create()
    {
        ServeVerb verb = new();
        Verb command = new(Name, "Serves OpenAI's and SGLang's HTTP interfaces.")
        {
            Details = "Prints one line with its address once it listens; SIGTERM or Ctrl-C lets requests "
                + "finish, and a second one ends them at once, with exit code 1.",
            Examples =
            [
                "pdengine serve --model Qwen3-0.6B/ --port 8000",
                "pdengine serve --model Qwen3-0.6B/ --host 0.0.0.0 --api-key-file key",
                "pdengine serve --model Qwen3-0.6B/ --sglang-config plan.yaml",
                "pdengine serve --otlp-endpoint http://localhost:4318 --log-format text",
            ],
        };
        command.Options.Add(verb._json);
        verb._serve.AddTo(command);
        verb._engine.AddTo(command);
        command.SetAction((parsed, _) => CommandLine.GuardAsync(() => verb.RunAsync(parsed)));
        return command;
    }

    private async Task<int> RunAsync(ParseResult parsed)
    {
        ServeOptions options = _serve.Read(parsed, Environment.GetEnvironmentVariable);
        ListenAddress.ThrowIfTaken(options);
        int maxQueued = _serve.MaxQueuedRequests(parsed);
        // Before the engine, and so behind it: its last spans are written as it ends.
        RequestLog log = new(options, TimeProvider.System);
        using EndSignals signals = new();
        using OtlpExport? export = options.Otlp is { } otlp ? new(otlp, log.Exported) : null;
        string model = "";
        (Engine engine, ServedPlan? plan) = await _engine.StartAsync(
            parsed, signals.First, everyService: true, asked =>
            {
                model = asked.ModelPath;
                return asked with { MaxQueuedRequests = maxQueued };
            }).ConfigureAwait(false);
        await using ConfiguredAsyncDisposable disposal = engine.ConfigureAwait(false);
        HttpServer server = await HttpServer.StartAsync(engine, plan?.Topology, options with
        {
            ModelPath = model,
            Seed = _engine.Seed(parsed),
            RequestTimeout = plan is null
                ? options.RequestTimeout
                : TimeSpan.FromSeconds(plan.Topology.RequestTimeoutSecs),
        }).ConfigureAwait(false);
        await using ConfiguredAsyncDisposable stop = server.ConfigureAwait(false);
        SayWhere(server.Address.ToString().TrimEnd('/'), parsed.GetValue(_json));
        TaskCompletionSource ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
        using CancellationTokenRegistration onEnd = signals.First.Register(ended.SetResult);
        await ended.Task.ConfigureAwait(false);
        Console.Error.WriteLine($"ending: requests may go on for {options.DrainTimeout.TotalSeconds:F0} s; "
            + "another signal ends them at once");
        bool finished = await server.DrainAsync(signals.Second).ConfigureAwait(false);
        export?.SendMetrics();
        if (finished || !signals.Second.IsCancellationRequested)
            return CommandLine.Done;
        Console.Error.WriteLine(
            "pdengine: ended by a second signal; requests were answered with what they had");
        return CommandLine.Failed;
    }

    private static void SayWhere(string address, bool asJson)
    {
        if (!asJson)
        {
            Console.Out.WriteLine($"listening on {address}");
        }
        else
        {
            AnswerWriter.Print(json =>
            {
                json.WriteStartObject();
                json.WriteString("address", address);
                json.WriteNumber("process_id", Environment.ProcessId);
                json.WriteEndObject();
            });
        }
        Console.Out.Flush();
    }
}
