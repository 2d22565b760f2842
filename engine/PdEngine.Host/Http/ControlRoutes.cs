using System.Text.Json;

namespace PdEngine.Host;

/// <summary>Aborts, flushes and pauses.</summary>
internal static class ControlRoutes
{
    public static async Task AbortAsync(HttpCall call)
    {
        JsonElement body = await ControlBody.ReadAsync(
            call, ["rid", "abort_all"], "abort_message", "finished_reason")
            .ConfigureAwait(false);
        bool all = Fields.Boolean(body, "abort_all") ?? false;
        string name = Fields.String(body, "rid") ?? "";
        if (!all && name.Length == 0)
            throw HttpRefusal.Bad("rid", "the name of a request is needed, or abort_all: true");
        if (all)
        {
            call.RequireAdmin("abort_all");
            int count = call.Model.LiveRequestCount;
            call.Model.AbortAll();
            await call.WriteOutcomeAsync($"{count} requests are aborted").ConfigureAwait(false);
            return;
        }
        await call.WriteOutcomeAsync($"{call.Server.Live.Abort(name)} samples are aborted")
            .ConfigureAwait(false);
    }

    public static async Task FlushAsync(HttpCall call)
    {
        await ControlBody.ReadAsync(call, [], "timeout", "timeout_s", "empty_cache")
            .ConfigureAwait(false);
        int live = call.Model.LiveRequestCount;
        if (live > 0)
        {
            await call.WriteOutcomeAsync(
                $"{live} requests are running or waiting; the cache is flushed only when there are none",
                success: false).ConfigureAwait(false);
            return;
        }
        call.Model.FlushCache();
        await call.WriteOutcomeAsync("The cache is flushed.").ConfigureAwait(false);
    }

    public static async Task PauseAsync(HttpCall call)
    {
        JsonElement body = await ControlBody.ReadAsync(call, ["mode"]).ConfigureAwait(false);
        PauseMode mode = Fields.String(body, "mode") switch
        {
            null or "abort" => PauseMode.Abort,
            "retract" => PauseMode.Retract,
            "in_place" => PauseMode.InPlace,
            string other => throw HttpRefusal.Bad(
                "mode", $"'{Fields.Short(other)}' is none of abort, retract, in_place"),
        };
        await call.Model.PauseAsync(mode).ConfigureAwait(false);
        await WriteStatusAsync(call, "The service is paused.").ConfigureAwait(false);
    }

    public static async Task ContinueAsync(HttpCall call)
    {
        await ControlBody.ReadAsync(call, [], "torch_empty_cache").ConfigureAwait(false);
        call.Server.Spoilt.ThrowIfSpoilt(call.Model);
        await call.Model.ContinueAsync().ConfigureAwait(false);
        await WriteStatusAsync(call, "The service goes on.").ConfigureAwait(false);
    }

    private static Task WriteStatusAsync(HttpCall call, string message) => call.WriteAsync(json =>
    {
        json.WriteStartObject();
        json.WriteString("status", "ok");
        json.WriteString("message", message);
        json.WriteEndObject();
    });
}
