using System.Globalization;
using System.Text.Json;
using Microsoft.AspNetCore.Http;

namespace PdEngine.Host;

/// <summary>
/// What the page asks for every second: every service as it is now, and of one of them what was not sent
/// before: samples and requests that ended.
/// </summary>
internal sealed class PageState(HttpServer server, TimeProvider clock) : IDisposable
{
    /// <summary>Requests that ended, in one answer.</summary>
    private const int MostEnded = 120;

    /// <summary>What a worker's bar shows is the mean of so long.</summary>
    private const double BarSeconds = 3;

    private readonly ModelWatch[] _services =
        [.. server.Models.Select(model => new ModelWatch(model, clock))];

    /// <exception cref="HttpRefusal">It asks for no service, or after no number.</exception>
    public static Task AnswerAsync(HttpCall call)
    {
        IQueryCollection query = call.Context.Request.Query;
        string? name = query["service"];
        PageState page = call.Server.Page;
        ModelWatch chosen = name is null
            ? page._services.First(one => one.Model == call.Server.DefaultModel)
            : page._services.FirstOrDefault(one => one.Model.Name == name)
                ?? throw HttpRefusal.Bad("service", $"there is no service '{Fields.Short(name)}'");
        long after = Number(query, "after"), ended = Number(query, "ended");
        call.Context.Response.Headers.CacheControl = "no-store";
        call.Context.Response.Headers.XContentTypeOptions = "nosniff";
        return call.WriteAsync(json => page.Write(json, chosen, after, ended));
    }

    public void Dispose()
    {
        foreach (ModelWatch service in _services)
            service.Dispose();
    }

    private void Write(Utf8JsonWriter json, ModelWatch chosen, long after, long ended)
    {
        json.WriteStartObject();
        json.WriteString("build", PageAssets.Build);
        json.WriteString("version", FactRoutes.Version);
        json.WriteNumber("now", clock.GetUtcNow().ToUnixTimeMilliseconds());
        json.WriteNumber("started", server.StartedSeconds);
        json.WriteBoolean("needs_key", server.Options.ApiKey is not null);
        json.WriteBoolean("draining", server.IsDraining);
        json.WriteStartArray("services");
        foreach (ModelWatch service in _services)
        {
            service.History.Look();
            WriteService(json, service, server.PathOf(service.Model), server.Totals.Refused);
        }
        json.WriteEndArray();
        json.WriteString("service", chosen.Model.Name);
        PageSeries.Write(json, chosen.History.ToArray(), after);
        json.WriteNumber("ended_count", chosen.Ended.Totals.Requests);
        json.WriteStartArray("ended");
        foreach (EndedRequest request in chosen.Ended.After(ended, MostEnded))
            PageRequests.Write(json, request);
        json.WriteEndArray();
        json.WriteStartArray("live");
        foreach (LiveRequest request in chosen.Model.View(ModelWatch.MostLive).Live)
            PageRequests.Write(json, request);
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void WriteService(Utf8JsonWriter json, ModelWatch service, string path, long refused)
    {
        EngineModel model = service.Model;
        LoadSample[] samples = service.History.ToArray();
        ModelView view = samples[^1].View;
        json.WriteStartObject();
        json.WriteString("name", model.Name);
        json.WriteString("model_path", path);
        json.WriteString("backend", model.BackendName);
        json.WriteString("weight_version", model.WeightVersion);
        json.WriteBoolean("paused", model.IsPaused);
        json.WriteNumber("context_tokens", model.ContextTokens);
        json.WriteBoolean("has_tokenizer", model.Tokenizer is not null);
        json.WriteBoolean("has_template", model.HasChatTemplate);
        json.WriteBoolean("is_reward", model.IsReward);
        json.WriteNumber("live", view.LiveCount);
        LoadWindow? bars = LoadWindow.Of(samples, BarSeconds);
        json.WriteStartArray("workers");
        foreach (WorkerView worker in view.Workers)
            WriteWorker(json, worker, bars);
        json.WriteEndArray();
        json.WriteStartArray("pools");
        foreach (PoolView pool in view.Pools)
            WritePool(json, pool);
        json.WriteEndArray();
        WriteAdvice(json, LoadWindow.Of(samples, Sizing.WindowSeconds), refused);
        json.WriteEndObject();
    }

    private static void WriteWorker(Utf8JsonWriter json, WorkerView worker, LoadWindow? bars)
    {
        WorkerStatus status = worker.Status;
        (double prefill, double output) = bars?.TokensPerSecond(worker) ?? default;
        json.WriteStartObject();
        json.WriteString("name", status.Name);
        json.WriteString("role", status.Role.ToString().ToLowerInvariant());
        json.WriteBoolean("alive", status.IsAlive);
        json.WriteString("failure", status.Failure);
        json.WriteString("devices", worker.Devices);
        json.WriteNumber("pool", worker.Pool);
        json.WriteNumber("max_running", worker.MaxRunning);
        json.WriteNumber("queued", status.Queued);
        json.WriteNumber("prefilling", status.Prefilling);
        json.WriteNumber("arrived", status.Arrived);
        json.WriteNumber("decoding", status.Decoding);
        json.WriteNumber("charged_blocks", status.ChargedBlocks);
        json.WriteNumber("capacity_blocks", worker.CapacityBlocks);
        PageSeries.WriteNumber(json, "busy", bars?.BusyPart(worker));
        PageSeries.WriteNumber(json, "prefill_per_second", prefill);
        PageSeries.WriteNumber(json, "output_per_second", output);
        json.WriteEndObject();
    }

    private static void WritePool(Utf8JsonWriter json, PoolView pool)
    {
        json.WriteStartObject();
        json.WriteNumber("total", pool.TotalBlocks);
        json.WriteNumber("held", pool.HeldBlocks);
        json.WriteNumber("in_flight", pool.InFlightBlocks);
        json.WriteNumber("cached", pool.CachedBlocks);
        json.WriteNumber("free", pool.FreeBlocks);
        json.WriteNumber("page_size", pool.PageSize);
        json.WriteEndObject();
    }

    private static void WriteAdvice(Utf8JsonWriter json, LoadWindow? window, long refused)
    {
        bool knows = window?.Seconds >= Sizing.LeastSeconds;
        json.WriteStartObject("advice");
        json.WriteBoolean("knows", knows);
        json.WriteNumber("seconds", Math.Round(window?.Seconds ?? 0));
        json.WriteBoolean("idle", window is null or { OutputTokensPerSecond: 0, PrefillTokensPerSecond: 0 });
        PageSeries.WriteNumber(json, "held_part", window?.MeanHeldPart);
        PageSeries.WriteNumber(json, "cached_part", window?.CachedPart);
        PageSeries.WriteNumber(json, "queued", window?.MeanQueued);
        PageSeries.WriteNumber(json, "retractions_per_minute", window?.RetractionsPerMinute);
        PageSeries.WriteNumber(json, "transfer_per_second", window?.TransferBytesPerSecond);
        PageSeries.WriteNumber(json, "failed", window?.Last.Ended.Failed);
        json.WriteNumber("refused", refused);
        json.WriteStartArray("found");
        foreach (Advice advice in knows ? Sizing.Of(window!) : [])
        {
            json.WriteStartObject();
            json.WriteString("rule", advice.Rule);
            json.WriteBoolean("urgent", advice.IsUrgent);
            json.WriteString("says", advice.Says);
            json.WriteString("do", advice.Do);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static long Number(IQueryCollection query, string name)
    {
        string? given = query[name];
        if (given is null)
            return 0;
        return long.TryParse(given, NumberStyles.None, CultureInfo.InvariantCulture, out long number)
            ? number
            : throw HttpRefusal.Bad(name, $"a whole number is needed, not '{Fields.Short(given)}'");
    }
}
