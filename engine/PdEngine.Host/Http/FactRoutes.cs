using System.Text.Json;

namespace PdEngine.Host;

/// <summary>What a server runs, as SGLang's clients and gateway ask for it.</summary>
internal static class FactRoutes
{
    /// <summary>
    /// The node as one regular worker: how it is split inside is its own affair, and under
    /// <c>workers</c>.
    /// </summary>
    public static Task ServerAsync(HttpCall call) => call.WriteAsync(json => WriteServer(json, call));

    public static Task ModelAsync(HttpCall call) => call.WriteAsync(json => WriteModel(json, call));

    /// <summary>OpenAI's list.</summary>
    public static Task ModelsAsync(HttpCall call) => call.WriteAsync(json => WriteModels(json, call.Server));

    /// <summary>One of them, which the path names.</summary>
    /// <exception cref="HttpRefusal">There is none of that name.</exception>
    public static Task OneModelAsync(HttpCall call)
    {
        string name = call.Context.Request.Path.Value![RouteTable.OneModel.Length..];
        EngineModel model = call.Server.Models.FirstOrDefault(one => one.Name == name)
            ?? throw new HttpRefusal(404, "not_found_error", $"there is no model '{Fields.Short(name)}'");
        return call.WriteAsync(json => WriteModel(json, call.Server, model));
    }

    private static void WriteModel(Utf8JsonWriter json, HttpServer server, EngineModel model)
    {
        json.WriteStartObject();
        json.WriteString("id", model.Name);
        json.WriteString("object", "model");
        json.WriteNumber("created", server.StartedSeconds);
        json.WriteString("owned_by", "pdengine");
        json.WriteString("root", model.Name);
        json.WriteNumber("max_model_len", model.ContextTokens);
        json.WriteEndObject();
    }

    private static void WriteServer(Utf8JsonWriter json, HttpCall call)
    {
        EngineModel model = call.Model;
        ServedModel? service = ServiceOf(call);
        int devices = service?.DeviceCount ?? 1;
        string path = call.Server.PathOf(call.Model);
        json.WriteStartObject();
        json.WriteString("version", $"pdengine-{Version}");
        json.WriteString("served_model_name", model.Name);
        json.WriteString("model_path", path);
        json.WriteString("tokenizer_path", path);
        json.WriteString("model_type", FamilyNames.ModelType(model.Config.Family));
        json.WriteStartArray("architectures");
        json.WriteStringValue(FamilyNames.Architecture(model));
        json.WriteEndArray();
        json.WriteString("host", call.Server.Address.Host);
        json.WriteNumber("port", call.Server.Address.Port);
        json.WriteString("disaggregation_mode", "null");
        json.WriteNumber("num_gpus", devices);
        json.WriteNumber("tp_size", devices);
        ReadOnlySpan<string> ones = ["pp_size", "dp_size", "ep_size", "nnodes", "gpu_id_step"];
        foreach (string one in ones)
            json.WriteNumber(one, 1);
        json.WriteNumber("node_rank", 0);
        json.WriteNumber("base_gpu_id", 0);
        json.WriteBoolean("enable_memory_saver", true);
        json.WriteBoolean("is_embedding", false);
        json.WriteNumber("context_length", model.ContextTokens);
        json.WriteNumber("max_total_num_tokens", (long)model.Metrics.TotalBlocks * model.Metrics.PageSize);
        json.WriteNumber("page_size", model.Metrics.PageSize);
        json.WriteNumber("random_seed", call.Server.Options.Seed);
        json.WriteString("weight_version", model.WeightVersion);
        json.WriteString("backend", model.BackendName);
        json.WriteString("gemm", GpuFlags.NameOf(model.Gemm));
        json.WriteStartArray("notices");
        foreach (string notice in call.Server.Notices)
            json.WriteStringValue(notice);
        json.WriteEndArray();
        json.WriteString("status", model.IsPaused ? "paused" : "ready");
        WriteWorkers(json, model);
        json.WriteEndObject();
    }

    private static void WriteModel(Utf8JsonWriter json, HttpCall call)
    {
        EngineModel model = call.Model;
        string path = call.Server.PathOf(call.Model);
        json.WriteStartObject();
        json.WriteString("model_path", path);
        json.WriteString("tokenizer_path", path);
        json.WriteString("served_model_name", model.Name);
        json.WriteBoolean("is_generation", !model.IsReward);
        json.WriteNull("preferred_sampling_params");
        json.WriteString("weight_version", model.WeightVersion);
        json.WriteBoolean("has_image_understanding", false);
        json.WriteBoolean("has_audio_understanding", false);
        json.WriteString("model_type", FamilyNames.ModelType(model.Config.Family));
        json.WriteStartArray("architectures");
        json.WriteStringValue(FamilyNames.Architecture(model));
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void WriteModels(Utf8JsonWriter json, HttpServer server)
    {
        json.WriteStartObject();
        json.WriteString("object", "list");
        json.WriteStartArray("data");
        foreach (EngineModel model in server.Models)
            WriteModel(json, server, model);
        json.WriteEndArray();
        json.WriteEndObject();
    }

    public static string Version => typeof(FactRoutes).Assembly.GetName().Version?.ToString(3) ?? "0";

    private static ServedModel? ServiceOf(HttpCall call) =>
        call.Server.Plan?.Models.FirstOrDefault(service => service.Name == call.Model.Name);

    private static void WriteWorkers(Utf8JsonWriter json, EngineModel model)
    {
        json.WriteStartArray("workers");
        foreach (WorkerStatus worker in model.Workers)
        {
            json.WriteStartObject();
            json.WriteString("name", worker.Name);
            json.WriteString("role", worker.Role.ToString().ToLowerInvariant());
            json.WriteBoolean("alive", worker.IsAlive);
            json.WriteNumber("queued", worker.Queued);
            json.WriteNumber("prefilling", worker.Prefilling);
            json.WriteNumber("arrived", worker.Arrived);
            json.WriteNumber("decoding", worker.Decoding);
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }
}
