using System.Text.Json;

namespace PdEngine.Host;

/// <summary>New weights, and what the present ones are.</summary>
internal static class WeightRoutes
{
    private const int MostFiles = 1024;

    private static readonly string[] DiskFields =
        ["model_path", "load_format", "weight_version", "abort_all_requests", "keep_pause"];

    private static readonly string[] TensorFields =
        ["serialized_named_tensors", "load_format", "weight_version", "abort_all_requests", "keep_pause"];

    /// <summary>SGLang's, of caches, graphs and threads that are not here or look after themselves.</summary>
    private static readonly string[] OtherFields =
    [
        "flush_cache", "torch_empty_cache", "is_async", "recapture_cuda_graph", "token_step",
        "disable_draft_model", "manifest",
    ];

    public static async Task FromDiskAsync(HttpCall call)
    {
        JsonElement body = await ControlBody.ReadAsync(
            call, DiskFields, OtherFields).ConfigureAwait(false);
        string given = Fields.String(body, "model_path")
            ?? throw HttpRefusal.Bad("model_path", "a folder is needed");
        CheckLoadFormat(body);
        string folder = WeightFolders.Resolve(given, call.Server.WeightsRootOf(call.Model));
        using WeightUpdate update = WeightUpdate.FromFolder(folder, VersionOf(body));
        await InTurnAsync(call, async () =>
        {
            await ApplyAsync(call, body, update).ConfigureAwait(false);
            call.Server.Buckets.Drop(call.Model);
        }).ConfigureAwait(false);
    }

    /// <summary>
    /// Tensors that are not among those given stay as they are; where the weights have been given back,
    /// bodies are held until they have all.
    /// </summary>
    public static Task FromTensorAsync(HttpCall call) => InTurnAsync(call, async () =>
    {
        JsonElement body = await ControlBody.ReadAsync(
            call, TensorFields, OtherFields).ConfigureAwait(false);
        CheckLoadFormat(body);
        WeightBuckets buckets = call.Server.Buckets;
        WeightBucket[] all = buckets.With(call.Model, WeightBucket.Of(TensorFiles(body)));
        using WeightUpdate update = WeightUpdate.FromLastSafetensors(
            [.. all.SelectMany(bucket => bucket.Files)], VersionOf(body));
        IReadOnlyList<string> missing =
            await call.Model.MissingTensorsAsync(update).ConfigureAwait(false);
        if (missing.Count > 0)
        {
            buckets.Hold(call.Model, all, update.Names.Count, missing);
            await WriteHeldAsync(call, buckets.StateOf(call.Model)!).ConfigureAwait(false);
            return;
        }
        await ApplyAsync(call, body, update).ConfigureAwait(false);
        buckets.Drop(call.Model);
    });

    public static async Task RenameAsync(HttpCall call)
    {
        JsonElement body = await ControlBody.ReadAsync(
            call, ["new_version", "abort_all_requests"]).ConfigureAwait(false);
        string version = NameOf(body, "new_version")
            ?? throw HttpRefusal.Bad("new_version", "a name is needed");
        if (version != call.Model.WeightVersion)
        {
            await call.Model.RenameWeightsAsync(
                version, aborts: Fields.Boolean(body, "abort_all_requests") ?? false).ConfigureAwait(false);
        }
        await WriteVersionAsync(call, $"The weights have version '{version}'.", "new_version")
            .ConfigureAwait(false);
    }

    public static Task VersionAsync(HttpCall call) => WriteVersionAsync(call, null, "weight_version");

    public static async Task CheckAsync(HttpCall call)
    {
        JsonElement body = await ControlBody.ReadAsync(call, ["action"]).ConfigureAwait(false);
        string action = Fields.String(body, "action") ?? "checksum";
        if (action == "reset_tensors")
        {
            await InTurnAsync(call, () => call.Server.Spoilt.SpoilAsync(call.Model)).ConfigureAwait(false);
            await call.WriteOutcomeAsync("Every tensor has other values, and the service is paused until new "
                + "weights come.").ConfigureAwait(false);
            return;
        }
        if (action is not ("snapshot" or "compare" or "checksum"))
        {
            throw HttpRefusal.Bad("action", $"'{Fields.Short(action)}' is none of snapshot, compare, "
                + "checksum, reset_tensors");
        }
        IReadOnlyDictionary<string, string> sums =
            await call.Model.WeightChecksumsAsync().ConfigureAwait(false);
        if (action == "checksum")
        {
            await WriteSumsAsync(call, sums).ConfigureAwait(false);
            return;
        }
        if (action == "snapshot")
            call.Server.Snapshots.Keep(call.Model.Name, sums);
        string[] differing = call.Server.Snapshots.Differing(call.Model.Name, sums)
            ?? throw HttpRefusal.Bad("action", "there is nothing to compare with; ask for a snapshot first");
        string message = differing.Length == 0
            ? $"{sums.Count} tensors are the same as in the snapshot."
            : $"{differing.Length} of {sums.Count} tensors differ from the snapshot: "
                + string.Join(", ", differing.Take(8));
        await call.WriteOutcomeAsync(message, differing.Length == 0).ConfigureAwait(false);
    }

    /// <summary>
    /// One at a time: a push beside a reset would count as one that came after it, and lift its hold.
    /// </summary>
    private static async Task InTurnAsync(HttpCall call, Func<Task> act)
    {
        await call.Server.WeightsTurn.WaitAsync(call.Gone).ConfigureAwait(false);
        try
        {
            await act().ConfigureAwait(false);
        }
        finally
        {
            call.Server.WeightsTurn.Release();
        }
    }

    private static async Task ApplyAsync(HttpCall call, JsonElement body, WeightUpdate update)
    {
        bool aborts = Fields.Boolean(body, "abort_all_requests") ?? false;
        WeightUpdateOptions options = new()
        {
            Mode = aborts ? PauseMode.Abort : null,
            StaysPaused = Fields.Boolean(body, "keep_pause") ?? false,
        };
        WeightUpdateReport report =
            await call.Model.UpdateWeightsAsync(update, options).ConfigureAwait(false);
        await call.Server.Spoilt.MendAsync(call.Model, update, options.StaysPaused).ConfigureAwait(false);
        await call.WriteAsync(json =>
        {
            json.WriteStartObject();
            json.WriteBoolean("success", true);
            json.WriteString("message", $"The weights have version '{report.Version}'.");
            json.WriteString("weight_version", report.Version);
            json.WriteNumber("num_paused_requests", 0);
            json.WriteNumber("staging_seconds", report.StagingTime.TotalSeconds);
            json.WriteNumber("pause_seconds", report.PauseTime.TotalSeconds);
            json.WriteEndObject();
        }).ConfigureAwait(false);
    }

    private static Task WriteHeldAsync(HttpCall call, string state) => call.WriteAsync(json =>
    {
        json.WriteStartObject();
        json.WriteBoolean("success", true);
        json.WriteString("message", $"{state}: they are held until all are here.");
        json.WriteString("weight_version", call.Model.WeightVersion);
        json.WriteNumber("num_paused_requests", 0);
        json.WriteEndObject();
    });

    private static ReadOnlyMemory<byte>[] TensorFiles(JsonElement body)
    {
        const string Field = "serialized_named_tensors";
        JsonElement given = Fields.Element(body, Field, JsonValueKind.Array)
            ?? throw HttpRefusal.Bad(Field, "a list of base64 safetensors files is needed");
        int count = given.GetArrayLength();
        if (count is 0 or > MostFiles)
            throw HttpRefusal.Bad(Field, $"it has 1 to {MostFiles} entries, not {count}");
        return [.. given.EnumerateArray().Select((file, index) =>
        {
            if (file.ValueKind != JsonValueKind.String || !file.TryGetBytesFromBase64(out byte[]? bytes))
                throw HttpRefusal.Bad(Field, $"entry {index} is no base64 text");
            if (IsPickle(bytes))
            {
                throw HttpRefusal.Bad(Field, $"entry {index} is pickled, and pickles are never read: they "
                    + "run what they say; send a safetensors file as base64");
            }
            return (ReadOnlyMemory<byte>)bytes;
        })];
    }

    /// <summary>A pickle of protocol 2 or later, or torch's archive of one.</summary>
    private static bool IsPickle(ReadOnlySpan<byte> bytes) =>
        bytes is [0x80, >= 2 and <= 8, ..] or [(byte)'P', (byte)'K', 3, 4, ..];

    private static void CheckLoadFormat(JsonElement body)
    {
        if (Fields.String(body, "load_format") is { } format and not ("auto" or "safetensors"))
        {
            throw HttpRefusal.Bad("load_format",
                $"'{Fields.Short(format)}' is not read; leave it out for safetensors");
        }
    }

    private static string? VersionOf(JsonElement body) => NameOf(body, "weight_version");

    private static string? NameOf(JsonElement body, string field)
    {
        if (body.TryGetProperty(field, out JsonElement version) && version.ValueKind == JsonValueKind.Number)
            return version.GetRawText();
        string? name = Fields.String(body, field);
        return name is null or { Length: >= 1 and <= 256 } ? name
            : throw HttpRefusal.Bad(field, $"it has 1 to 256 letters, not {name.Length}");
    }

    private static Task WriteVersionAsync(HttpCall call, string? message, string field) =>
        call.WriteAsync(json =>
        {
            json.WriteStartObject();
            if (message is not null)
            {
                json.WriteBoolean("success", true);
                json.WriteString("message", message);
            }
            json.WriteString(field, call.Model.WeightVersion);
            json.WriteEndObject();
        });

    private static Task WriteSumsAsync(HttpCall call, IReadOnlyDictionary<string, string> sums) =>
        call.WriteAsync(json =>
        {
            json.WriteStartObject();
            json.WriteBoolean("success", true);
            json.WriteStartObject("checksums");
            foreach ((string name, string sum) in sums)
                json.WriteString(name, sum);
            json.WriteEndObject();
            json.WriteEndObject();
        });
}
