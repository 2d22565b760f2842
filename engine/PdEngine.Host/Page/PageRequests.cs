using System.Text.Json;

namespace PdEngine.Host;

/// <summary>Requests as the page's timeline takes them; times are in ms.</summary>
internal static class PageRequests
{
    public static void Write(Utf8JsonWriter json, in EndedRequest request)
    {
        json.WriteStartObject();
        json.WriteNumber("number", request.Number);
        json.WriteNumber("ended_ms", request.EndedMs);
        json.WriteString("id", request.Id.ToString());
        json.WriteString("reason", request.Reason.ToString().ToLowerInvariant());
        json.WriteString("path", request.Path.ToString().ToLowerInvariant());
        json.WriteString("path_reason", request.PathReason);
        json.WriteNumber("prompt_tokens", request.PromptTokens);
        json.WriteNumber("cached_tokens", request.CachedTokens);
        json.WriteNumber("output_tokens", request.OutputTokens);
        json.WriteString("prefill_worker", request.PrefillWorker);
        json.WriteString("decode_worker", request.DecodeWorker);
        json.WriteNumber("handoff_blocks", request.HandoffBlocks);
        json.WriteNumber("transfer_bytes", request.TransferBytes);
        json.WriteNumber("retractions", request.Retractions);
        json.WriteNumber("failures", request.Failures);
        PageSeries.WriteNumber(json, "first_token", request.FirstToken?.TotalMilliseconds);
        PageSeries.WriteNumber(json, "inter_token", request.InterTokenMs);
        WritePhases(json, request.Timings);
        json.WriteEndObject();
    }

    public static void Write(Utf8JsonWriter json, in LiveRequest request)
    {
        json.WriteStartObject();
        json.WriteString("id", request.Id.ToString());
        json.WriteNumber("prompt_tokens", request.PromptTokens);
        json.WriteNumber("output_tokens", request.OutputTokens);
        json.WriteString("prefill_worker", request.PrefillWorker);
        json.WriteString("decode_worker", request.DecodeWorker);
        WritePhases(json, request.Timings);
        json.WriteEndObject();
    }

    private static void WritePhases(Utf8JsonWriter json, PhaseTimings times)
    {
        PageSeries.WriteNumber(json, "queue", times.PrefillQueueNs / 1e6);
        PageSeries.WriteNumber(json, "prefill", times.PrefillForwardNs / 1e6);
        PageSeries.WriteNumber(json, "handoff", times.PassingNs / 1e6);
        PageSeries.WriteNumber(json, "handoff_step",
            Math.Max(0, times.TransferQueueNs - times.HandoffNs) / 1e6);
        PageSeries.WriteNumber(json, "handoff_alloc", times.DecodeAllocWaitNs / 1e6);
        PageSeries.WriteNumber(json, "handoff_copy", times.DecodeTransferNs / 1e6);
        PageSeries.WriteNumber(json, "decode", times.DecodeForwardNs / 1e6);
    }
}
