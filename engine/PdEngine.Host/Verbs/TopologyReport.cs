using System.Text.Json;
using Spectre.Console;

namespace PdEngine.Host;

/// <summary>Shows a resolved topology as tables or as JSON.</summary>
internal static class TopologyReport
{
    private const string NoCheckpoint = "(none given)";

    public static void Print(IAnsiConsole console, Topology plan)
    {
        Table table = new() { Border = TableBorder.Rounded };
        table.AddColumns("service", "group", "worker_type", "num_gpus", "per engine", "tp", "engines",
            "devices",
            "overrides");
        foreach (ServedModel model in plan.Models)
        {
            if (model.Groups.Count == 0)
                table.AddRow(Markup.Escape(model.Name), "-", "(router only)", "0", "-", "-", "0", "-", "");
            foreach (ServerGroup group in model.Groups)
            {
                string overrides = string.Join("\n", group.Overrides.Select(entry =>
                    $"{entry.Key}: {entry.Value}"));
                table.AddRow(Markup.Escape(model.Name), $"{group.Index}", TypeOf(group),
                    $"{group.DeviceCount}",
                    $"{group.DevicesPerWorker}", $"{group.Settings.TpSize}", $"{group.Workers.Count}",
                    $"{group.FirstDevice}-{group.FirstDevice + group.DeviceCount - 1}",
                        Markup.Escape(overrides));
            }
        }
        console.Write(table);
        Table services = new() { Border = TableBorder.Rounded };
        services.AddColumns("service", "model_path", "update_weights", "layout");
        foreach (ServedModel model in plan.Models)
        {
            services.AddRow(Markup.Escape(model.Name), Markup.Escape(model.ModelPath ?? NoCheckpoint),
                model.UpdateWeights ? "true" : "false", LayoutOf(model));
        }
        console.Write(services);
        console.WriteLine($"{plan.DeviceCount} devices; router {RouterPolicies.Name(plan.RouterPolicy)} "
            + "(prefill "
            + $"{RouterPolicies.Name(plan.PrefillPolicy)}, decode {RouterPolicies.Name(plan.DecodePolicy)}), "
            + $"{plan.ServerConcurrency} requests per engine, {plan.RequestTimeoutSecs} s per request");
        if (plan.Models.Count > 1)
            console.WriteLine($"{plan.Service(null).Name} is served where --service names no other");
        foreach (TopologyNotYet item in plan.NotYet)
        {
            string effect = item.ChangesResults ? "refused where weights are loaded" : "changes speed only";
            string line = item.Line is { } at ? $"line {at}, " : "";
            console.WriteLine($"not yet: {item.What} ({line}{item.Where}; {effect})");
        }
    }

    public static void WriteJson(Stream output, Topology plan)
    {
        using (Utf8JsonWriter json = new(output, AnswerWriter.Style))
        {
            json.WriteStartObject();
            json.WriteString("hf_checkpoint", plan.HfCheckpoint ?? NoCheckpoint);
            json.WriteNumber("num_gpus", plan.DeviceCount);
            json.WriteString("default_service", plan.Service(null).Name);
            json.WriteString("router_policy", RouterPolicies.Name(plan.RouterPolicy));
            json.WriteString("prefill_policy", RouterPolicies.Name(plan.PrefillPolicy));
            json.WriteString("decode_policy", RouterPolicies.Name(plan.DecodePolicy));
            json.WriteNumber("server_concurrency", plan.ServerConcurrency);
            json.WriteNumber("router_request_timeout_secs", plan.RequestTimeoutSecs);
            json.WriteStartArray("services");
            foreach (ServedModel model in plan.Models)
                WriteModel(json, model);
            json.WriteEndArray();
            json.WriteStartArray("not_yet");
            foreach (TopologyNotYet item in plan.NotYet)
                WriteNotYet(json, item);
            json.WriteEndArray();
            json.WriteStartArray("warnings");
            foreach (TopologyWarning warning in plan.Warnings)
            {
                json.WriteStartObject();
                WriteLine(json, warning.Line);
                json.WriteString("text", warning.Text);
                json.WriteEndObject();
            }
            json.WriteEndArray();
            json.WriteEndObject();
        }
        output.WriteByte((byte)'\n');
    }

    private static void WriteModel(Utf8JsonWriter json, ServedModel model)
    {
        json.WriteStartObject();
        json.WriteString("name", model.Name);
        json.WriteString("model_path", model.ModelPath ?? NoCheckpoint);
        json.WriteBoolean("update_weights", model.UpdateWeights);
        json.WriteBoolean("has_pd_disaggregation", model.IsDisaggregated);
        json.WriteBoolean("has_encoder_disaggregation", model.HasEncoders);
        json.WriteNumber("num_gpus", model.DeviceCount);
        json.WriteStartArray("server_groups");
        foreach (ServerGroup group in model.Groups)
            WriteGroup(json, group);
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void WriteGroup(Utf8JsonWriter json, ServerGroup group)
    {
        json.WriteStartObject();
        json.WriteString("worker_type", TypeOf(group));
        json.WriteNumber("num_gpus", group.DeviceCount);
        json.WriteNumber("num_gpus_per_engine", group.DevicesPerWorker);
        json.WriteNumber("tp_size", group.Settings.TpSize);
        WriteLine(json, group.Line);
        json.WriteStartObject("overrides");
        foreach (ResolvedOverride entry in group.Overrides)
        {
            json.WritePropertyName(entry.Key);
            if (entry.Value.Kind is OverrideKind.Text or OverrideKind.List)
                json.WriteStringValue(entry.Value.Text);
            else
                json.WriteRawValue(entry.Value.Text);
        }
        json.WriteEndObject();
        json.WriteStartArray("engines");
        foreach (WorkerPlacement worker in group.Workers)
        {
            json.WriteStartObject();
            json.WriteNumber("index", worker.Index);
            json.WriteStartArray("devices");
            foreach (int device in worker.Devices)
                json.WriteNumberValue(device);
            json.WriteEndArray();
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void WriteNotYet(Utf8JsonWriter json, TopologyNotYet item)
    {
        json.WriteStartObject();
        json.WriteString("service", item.Service);
        json.WriteString("where", item.Where);
        json.WriteString("what", item.What);
        json.WriteBoolean("changes_results", item.ChangesResults);
        WriteLine(json, item.Line);
        json.WriteEndObject();
    }

    private static void WriteLine(Utf8JsonWriter json, int? line)
    {
        if (line is { } at)
            json.WriteNumber("line", at);
    }

    private static string TypeOf(ServerGroup group) => GroupResolver.Name(group.WorkerType);

    private static string LayoutOf(ServedModel model) => model.Groups.Count == 0 ? "router only"
        : (model.IsDisaggregated ? "prefill and decode apart" : "one kind of worker")
            + (model.HasEncoders ? ", encoders" : "");
}
