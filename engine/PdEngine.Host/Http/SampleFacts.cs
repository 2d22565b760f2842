using System.Text.Json;

namespace PdEngine.Host;

/// <summary>
/// What a log line says of the generations that a request was answered with: of several, tokens are sums and
/// times are the longest.
/// </summary>
internal static class SampleFacts
{
    public static void Write(Utf8JsonWriter json, IReadOnlyList<Sample> samples)
    {
        Generation[] made = [.. samples.Select(sample => sample.Stream.Completion)
            .Where(completion => completion.IsCompletedSuccessfully).Select(completion => completion.Result)];
        json.WriteString("id", Fields.Short(samples[0].RequestName));
        if (samples.Count > 1)
            json.WriteNumber("samples", samples.Count);
        json.WriteNumber("prompt_tokens", made.Sum(one => one.PromptIds.Length));
        json.WriteNumber("cached_tokens", made.Sum(one => one.CachedTokens));
        json.WriteNumber("completion_tokens", made.Sum(one => one.OutputIds.Count));
        WriteNames(json, "finish_reason", made.Select(one => one.FinishReason.ToString().ToLowerInvariant()));
        WriteNames(json, "pd_path", made.Select(one => RouteText.PathName(one.PdPath)));
        WriteNames(json, "prefill_worker", made.Select(one => one.PrefillWorker));
        WriteNames(json, "decode_worker", made.Select(one => one.DecodeWorker));
        WriteNames(json, "weight_version", made.Select(one => one.WeightVersion));
        if (made.Length == 0)
            return;
        WriteMs(json, "queue_ms", made.Max(one => one.Timings.PrefillQueueNs));
        WriteMs(json, "prefill_ms", made.Max(one => one.Timings.PrefillForwardNs));
        WriteMs(json, "handoff_ms", made.Max(one => one.Timings.PassingNs));
        WriteMs(json, "decode_ms", made.Max(one => one.Timings.DecodeForwardNs));
        if (made.Max(one => one.TimeToFirstToken) is { } first)
            WriteMs(json, "ttft_ms", (long)first.TotalNanoseconds);
    }

    /// <summary>Each name once.</summary>
    private static void WriteNames(Utf8JsonWriter json, string field, IEnumerable<string> names)
    {
        string all = string.Join(',', names.Where(name => name.Length > 0).Distinct());
        if (all.Length > 0)
            json.WriteString(field, Fields.Short(all));
    }

    private static void WriteMs(Utf8JsonWriter json, string field, long ns) =>
        json.WriteNumber(field, Math.Round(ns / 1e6, 3));
}
