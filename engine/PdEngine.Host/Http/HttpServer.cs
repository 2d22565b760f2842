using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace PdEngine.Host;

/// <summary>An engine behind HTTP. It owns neither the engine nor the log.</summary>
internal sealed class HttpServer : IAsyncDisposable
{
    private static readonly TimeSpan AbortTimeout = TimeSpan.FromSeconds(5);

    private readonly Engine _engine;
    private readonly AccessRules _rules;
    private readonly WebApplication _app;
    private readonly JsonDocument _empty = JsonDocument.Parse("{}");
    private readonly RouteTable _routes;
    private long _ordinal;
    private int _callCount;
    private volatile bool _isDraining;

    private HttpServer(Engine engine, Topology? plan, ServeOptions options)
    {
        _engine = engine;
        Options = options;
        Plan = plan;
        Clock = TimeProvider.System;
        Sessions = new(Clock);
        _rules = new(options, Sessions);
        Log = new(options, Clock);
        Totals = new(engine.Models.Select(model => model.Name));
        Loans = new(engine.Models, Buckets);
        Pace = new(Clock, Environment.ProcessorCount);
        Page = new(this, Clock);
        DefaultModel = engine.Models.FirstOrDefault(model => model.TakesUpdates) ?? engine.Models[0];
        _routes = new(engine.Models.Select(model => model.Name));
        _app = Build(options);
    }

    public ServeOptions Options { get; }

    public Topology? Plan { get; }

    public TimeProvider Clock { get; }

    public long StartedSeconds { get; } = TimeProvider.System.GetUtcNow().ToUnixTimeSeconds();

    public RequestLog Log { get; }

    public SessionCookies Sessions { get; }

    public AccessRules Rules => _rules;

    public LiveSamples Live { get; } = new();

    public MeterTotals Totals { get; }

    public MemoryLoans Loans { get; }

    /// <summary>Parts of weights that are not whole yet.</summary>
    public WeightBuckets Buckets { get; } = new();

    public EventPace Pace { get; }

    /// <summary>What the page at / shows.</summary>
    public PageState Page { get; }

    /// <summary>
    /// Of whoever pushes weights or resets them; those in a body take much memory besides.
    /// </summary>
    public SemaphoreSlim WeightsTurn { get; } = new(1, 1);

    /// <summary>Checksums that were taken to be compared with, by service.</summary>
    public WeightSnapshots Snapshots { get; } = new();

    /// <summary>Services whose weights were spoilt on purpose.</summary>
    public SpoiltWeights Spoilt { get; } = new();

    public IReadOnlyList<EngineModel> Models => _engine.Models;

    /// <summary>What was said of the engine when it started.</summary>
    public IReadOnlyList<string> Notices => _engine.Notices;

    /// <summary>Who answers where nobody is named: the first that takes weight updates.</summary>
    public EngineModel DefaultModel { get; }

    public JsonElement EmptyObject => _empty.RootElement;

    public bool IsDraining => _isDraining;

    /// <summary>Where it listens, once it does.</summary>
    public Uri Address { get; private set; } = null!;

    /// <summary>Starts to listen.</summary>
    /// <param name="engine">Who answers.</param>
    /// <param name="plan">What it runs; null without one.</param>
    /// <param name="options">How.</param>
    /// <exception cref="OptionsException">It would be open to everybody, or cannot listen there.</exception>
    public static async Task<HttpServer> StartAsync(Engine engine, Topology? plan, ServeOptions options)
    {
        ListenAddress.ThrowIfOpen(options);
        HttpServer server = new(engine, plan, options);
        try
        {
            await server._app.StartAsync().ConfigureAwait(false);
        }
        catch (IOException error)
        {
            await server.DisposeAsync().ConfigureAwait(false);
            throw new OptionsException("--port", $"cannot listen on {options.Host}:{options.Port}: "
                + error.Message);
        }
        string address = server._app.Services.GetRequiredService<IServer>().Features
            .Get<IServerAddressesFeature>()!.Addresses.First();
        server.Address = new(address);
        return server;
    }

    /// <summary>
    /// Takes no more work, lets what was accepted finish within the drain time, then ends the rest with what
    /// it has.
    /// </summary>
    /// <param name="atOnce">Cancelled, it is the end of the drain time.</param>
    /// <returns>Whether all finished.</returns>
    public async Task<bool> DrainAsync(CancellationToken atOnce = default)
    {
        _isDraining = true;
        bool finished = await IsIdleWithinAsync(Options.DrainTimeout, atOnce).ConfigureAwait(false);
        if (!finished)
        {
            _engine.AbortAll();
            await IsIdleWithinAsync(AbortTimeout, CancellationToken.None).ConfigureAwait(false);
        }
        using CancellationTokenSource patience = new(AbortTimeout);
        await _app.StopAsync(patience.Token).ConfigureAwait(false);
        return finished;
    }

    public ulong NextOrdinal() => (ulong)Interlocked.Increment(ref _ordinal);

    /// <summary>The service that a body names; every other name, and none, means the default.</summary>
    public EngineModel ModelNamed(JsonElement body) =>
        body.TryGetProperty("model", out JsonElement name) && name.ValueKind == JsonValueKind.String
            ? Models.FirstOrDefault(model => name.ValueEquals(model.Name)) ?? DefaultModel
            : DefaultModel;

    /// <summary>The checkpoint of a service, as it was named.</summary>
    public string PathOf(EngineModel model) =>
        Plan?.Models.FirstOrDefault(service => service.Name == model.Name)?.ModelPath
            ?? Options.ModelPath ?? model.Name;

    /// <summary>Where a service may read weights from.</summary>
    /// <exception cref="OptionsException">Its model is no file, so that there is no such place.</exception>
    public string WeightsRootOf(EngineModel model)
    {
        if (Options.WeightsRoot is { } root)
            return root;
        string path = Path.GetFullPath(PathOf(model));
        if (Directory.Exists(path))
            return path;
        return File.Exists(path) ? Path.GetDirectoryName(path)! : throw new OptionsException(
            "--weights-root", $"model '{PathOf(model)}' lies in no folder, so that there is none to read "
            + "weights from; start the server with --weights-root FOLDER, or send them to "
            + "/update_weights_from_tensor");
    }

    public async ValueTask DisposeAsync()
    {
        await _app.DisposeAsync().ConfigureAwait(false);
        Page.Dispose();
        Totals.Dispose();
        Pace.Dispose();
        _empty.Dispose();
        WeightsTurn.Dispose();
    }

    private WebApplication Build(ServeOptions options)
    {
        // Empty: no file and no variable of the surroundings changes how it listens.
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Services.AddSingleton<IHostLifetime, NoLifetime>();
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            // Slow readers are given up by their own rule.
            kestrel.Limits.MinResponseDataRate = null;
            kestrel.Limits.MaxRequestBodySize = options.MaxBodyBytes;
            ListenAddress.Listen(kestrel, options);
        });
        WebApplication app = builder.Build();
        app.Run(ServeAsync);
        return app;
    }

    private async Task ServeAsync(HttpContext context)
    {
        long started = Stopwatch.GetTimestamp();
        Interlocked.Increment(ref _callCount);
        try
        {
            await AnswerAsync(context).ConfigureAwait(false);
        }
        catch (Exception gone) when (gone is OperationCanceledException or ConnectionResetException)
        {
            // Only a client that goes cancels anything here; the news of it can be late.
            context.Abort();
        }
        catch (Exception fault)
        {
            await RefuseAsync(context, fault).ConfigureAwait(false);
        }
        finally
        {
            Log.Answered(context, started);
            Totals.Answered(context.Response.StatusCode);
            Interlocked.Decrement(ref _callCount);
        }
    }

    private async Task AnswerAsync(HttpContext context)
    {
        if (_isDraining)
            context.Response.Headers.Connection = "close";
        Access access = _rules.Of(context);
        (Route route, string? service) = _routes.Find(context.Request, isTrusted: access > Access.Open);
        AccessRules.Require(access, route.Needs, context.Request.Path.Value!);
        if (_isDraining && route.IsWork)
            throw HttpRefusal.Draining();
        using HttpCall call = new(context, this, access, route)
        {
            Prefixed = service is null ? null : Models.First(model => model.Name == service),
        };
        await route.Answer(call).ConfigureAwait(false);
    }

    private async Task RefuseAsync(HttpContext context, Exception fault)
    {
        HttpRefusal? known = HttpRefusal.Of(fault);
        if (known is null)
            Log.Failed(context, fault);
        if (context.Response.HasStarted)
        {
            context.Abort();
            return;
        }
        HttpRefusal refusal = known ?? new(500, "server_error", "the server failed; its log says how");
        if (refusal.RetryAfterSeconds is { } seconds)
            context.Response.Headers.RetryAfter = seconds.ToString(CultureInfo.InvariantCulture);
        if (RequestBody.IsLeft(context))
            context.Response.Headers.Connection = "close";
        if (refusal.Allow is { } allow)
            context.Response.Headers.Allow = allow;
        if (refusal.Status == 401)
            context.Response.Headers.WWWAuthenticate = "Bearer";
        using HttpCall call = new(context, this, Access.Open, _routes.Refused);
        try
        {
            await call.WriteAsync(json => ErrorWriter.Write(json, refusal), refusal.Status)
                .ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            context.Abort();
        }
    }

    private async Task<bool> IsIdleWithinAsync(TimeSpan time, CancellationToken atOnce)
    {
        long start = Stopwatch.GetTimestamp();
        while (Volatile.Read(ref _callCount) > 0 || Live.Count > 0)
        {
            if (atOnce.IsCancellationRequested || Stopwatch.GetElapsedTime(start) >= time)
                return false;
            await Task.Delay(20, CancellationToken.None).ConfigureAwait(false);
        }
        return true;
    }

    /// <summary>Signals are the command's, not the server's.</summary>
    private sealed class NoLifetime : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
