using System.CommandLine;
using System.Runtime.CompilerServices;

namespace PdEngine.Host;

/// <summary><c>pdengine serve</c>: the engine behind HTTP, until it is told to end.</summary>
internal sealed class ServeVerb
{
    public const string Name = "serve";
    private static readonly TimeSpan AfterDrain = TimeSpan.FromSeconds(20);

    private readonly EngineFlags _engine = new();
    private readonly ServeFlags _serve = new();

    public static Command Create()
    {
        ServeVerb verb = new();
        Command command = new(Name, "Serves OpenAI's and SGLang's HTTP interfaces.");
        verb._serve.AddTo(command);
        verb._engine.AddTo(command);
        command.SetAction((parsed, cancellation) =>
            CommandLine.GuardAsync(() => verb.RunAsync(parsed, cancellation)));
        return command;
    }

    /// <summary>How long a signal may take: longer than any drain that can be asked for.</summary>
    public static TimeSpan TerminationTimeout { get; } = TimeSpan.FromSeconds(86400) + AfterDrain;

    private async Task<int> RunAsync(ParseResult parsed, CancellationToken cancellation)
    {
        ServeOptions options = _serve.Read(parsed, Environment.GetEnvironmentVariable);
        int maxQueued = _serve.MaxQueuedRequests(parsed);
        // Before the engine, and so behind it: its last spans are written as it ends.
        RequestLog log = new(options, TimeProvider.System);
        using OtlpExport? export = options.Otlp is { } otlp ? new(otlp, log.Exported) : null;
        string model = "";
        (Engine engine, ServedPlan? plan) = await _engine.StartAsync(
            parsed, cancellation, everyService: true, asked =>
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
        Console.Out.WriteLine($"listening on {server.Address.ToString().TrimEnd('/')}");
        Console.Out.Flush();
        TaskCompletionSource ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
        using CancellationTokenRegistration onEnd = cancellation.Register(ended.SetResult);
        await ended.Task.ConfigureAwait(false);
        Console.Error.WriteLine($"ending: requests may go on for {options.DrainTimeout.TotalSeconds:F0} s");
        await server.DrainAsync().ConfigureAwait(false);
        export?.SendMetrics();
        return CommandLine.Done;
    }
}
