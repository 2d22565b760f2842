using System.Text.Json;

namespace PdEngine.Bench;

/// <summary>Results for machines: an array with an object for each load.</summary>
internal static class PdJson
{
    public static void Write(Stream target, IReadOnlyList<PdResult> results)
    {
        using Utf8JsonWriter json = new(target, new JsonWriterOptions { Indented = true });
        json.WriteStartArray();
        foreach (PdResult result in results)
            WriteResult(json, result);
        json.WriteEndArray();
    }

    private static void WriteResult(Utf8JsonWriter json, PdResult result)
    {
        json.WriteStartObject();
        json.WriteString("load", result.Load.Name);
        json.WriteString("model", result.Model);
        json.WriteNumber("threads", result.Settings.Threads);
        json.WriteString("isa", CpuIsaSupport.NameOf(CpuIsaSupport.Resolve(result.Settings.Isa)));
        json.WriteString("kv_domain", result.Settings.KvDomain is KvDomainKind.Host ? "host" : "device");
        json.WriteNumber("temperature", result.Settings.Temperature);
        json.WriteNumber("seed", result.Settings.Seed);
        json.WriteNumber("stall_seconds", result.Settings.StallSeconds);
        json.WriteStartObject("parameters");
        result.Load.WriteParameters(json);
        json.WriteEndObject();
        json.WriteBoolean("outputs_identical", result.Difference is null);
        json.WriteStartArray("arms");
        foreach (PdRow row in result.Rows)
            WriteRow(json, row);
        json.WriteEndArray();
        json.WriteStartArray("targets");
        foreach (PdTarget target in PdTarget.Of(result))
        {
            json.WriteStartObject();
            json.WriteString("arm", target.Arm);
            json.WriteString("target", target.Text);
            json.WriteString("figure", target.Figure);
            json.WriteBoolean("met", target.IsMet);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void WriteRow(Utf8JsonWriter json, PdRow row)
    {
        PdFigures figures = row.Figures;
        json.WriteStartObject();
        json.WriteString("arm", row.Arm.Name);
        json.WriteString("title", row.Arm.Title);
        json.WriteNumber("chunk_tokens", row.Arm.ChunkTokens);
        json.WriteBoolean("as_named", row.IsAsNamed);
        json.WriteNumber("runs", row.RunCount);
        WriteQuantiles(json, "ttft", figures.FirstTokenSeconds);
        WriteQuantiles(json, "itl", figures.GapSeconds);
        json.WriteNumber("stalled_share", figures.StalledShare);
        json.WriteNumber("tokens_per_second", figures.TokensPerSecond);
        json.WriteNumber("tokens_per_second_min", row.MinTokensPerSecond);
        json.WriteNumber("tokens_per_second_max", row.MaxTokensPerSecond);
        json.WriteNumber("total_tokens_per_second", figures.TotalTokensPerSecond);
        json.WriteNumber("output_tokens", figures.OutputTokens);
        json.WriteNumber("prompt_tokens", figures.PromptTokens);
        json.WriteNumber("cached_share", figures.CachedShare);
        json.WriteNumber("wall_seconds", figures.WallSeconds);
        WriteQuantiles(json, "handoff", figures.HandoffSeconds);
        WriteQuantiles(json, "handoff_queue", figures.HandoffQueueSeconds);
        WriteQuantiles(json, "handoff_wait", figures.HandoffWaitSeconds);
        WriteQuantiles(json, "handoff_copy", figures.HandoffCopySeconds);
        json.WriteNumber("handoff_count", figures.HandoffSeconds.Count);
        json.WriteNumber("handoff_blocks", figures.HandoffBlocks);
        json.WriteNumber("transfer_bytes", figures.TransferBytes);
        row.Median.Before.Write(json, "probe_before");
        row.Median.After.Write(json, "probe_after");
        json.WriteEndObject();
    }

    private static void WriteQuantiles(Utf8JsonWriter json, string name, Quantiles seconds)
    {
        json.WriteNumber($"{name}_p50_seconds", seconds.At(0.5));
        json.WriteNumber($"{name}_p99_seconds", seconds.At(0.99));
        json.WriteNumber($"{name}_max_seconds", seconds.Max);
    }
}
