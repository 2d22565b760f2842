using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace PdEngine.Host;

/// <summary>Writes a generation in the shape of SGLang's <c>/generate</c> answer.</summary>
/// <param name="tokenizer">For the text of log-prob entries; null writes null there.</param>
internal sealed class AnswerWriter(Tokenizer? tokenizer)
{
    /// <summary>Text outside ASCII is written as it is.</summary>
    public static JsonWriterOptions Style { get; } =
        new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Writes one answer object.</summary>
    /// <param name="json">Where to.</param>
    /// <param name="id">The line's own id, put first; undefined writes none.</param>
    /// <param name="name">The request's name in <c>meta_info.id</c>.</param>
    /// <param name="generation">What was generated.</param>
    /// <param name="asked">What it was generated for.</param>
    /// <param name="returnText">Entries carry their token's text.</param>
    /// <param name="index">Number of the sample in its batch; null where it is alone.</param>
    /// <param name="isUnfinished">
    /// More is to come: there is no reason for the end, and no time.
    /// </param>
    /// <param name="completionTokens">Made in all, where the ids are only a part of them.</param>
    public void Write(
        Utf8JsonWriter json, JsonElement id, string name, Generation generation, GenerateRequest asked,
        bool returnText, int? index = null, bool isUnfinished = false,
        int? completionTokens = null)
    {
        int made = completionTokens ?? generation.OutputIds.Count;
        json.WriteStartObject();
        if (index is { } number)
            json.WriteNumber("index", number);
        if (id.ValueKind != JsonValueKind.Undefined)
            WriteId(json, id);
        json.WriteString("text", generation.Text);
        json.WriteStartArray("output_ids");
        foreach (int token in generation.OutputIds)
            json.WriteNumberValue(token);
        json.WriteEndArray();
        json.WriteStartObject("meta_info");
        json.WriteString("id", name);
        if (isUnfinished)
            json.WriteNull("finish_reason");
        else
            WriteFinishReason(json, generation, made);
        json.WriteNumber("prompt_tokens", generation.PromptIds.Length);
        json.WriteNumber("completion_tokens", made);
        json.WriteNumber("cached_tokens", generation.CachedTokens);
        WriteVersions(json, generation);
        json.WriteNumber("total_retractions", generation.RetractionCount);
        if (generation.Reward is { } reward && float.IsFinite(reward))
            json.WriteNumber("reward", reward);
        if (asked.ReturnLogProb)
        {
            WriteLogProbs(json, "input_token_logprobs", generation.InputLogProbs, returnText);
            WriteLogProbs(json, "output_token_logprobs", generation.OutputLogProbs, returnText);
            if (asked.TopLogProbsNum > 0)
            {
                WriteTops(json, "input_top_logprobs", generation.InputLogProbs, returnText);
                WriteTops(json, "output_top_logprobs", generation.OutputLogProbs, returnText);
            }
        }
        if (!isUnfinished)
        {
            WriteTimes(json, generation, made);
            WriteRoute(json, generation);
        }
        json.WriteEndObject();
        json.WriteEndObject();
    }

    /// <summary>Prints one JSON value and a newline on standard output.</summary>
    public static void Print(Action<Utf8JsonWriter> write)
    {
        using MemoryStream text = new();
        using (Utf8JsonWriter json = new(text, Style))
            write(json);
        Console.Out.WriteLine(Encoding.UTF8.GetString(text.GetBuffer(), 0, (int)text.Length));
    }

    /// <summary>Writes the entry of a request that was refused or failed.</summary>
    public static void WriteError(Utf8JsonWriter json, JsonElement id, string type, string message)
    {
        json.WriteStartObject();
        WriteId(json, id);
        json.WriteStartObject("error");
        json.WriteString("type", type);
        json.WriteString("message", message);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    /// <summary>Log-prob, id and text of each token, as an array of arrays.</summary>
    public void WriteLogProbs(
        Utf8JsonWriter json, string field, IReadOnlyList<TokenLogProb> entries, bool returnText)
    {
        json.WriteStartArray(field);
        foreach (TokenLogProb entry in entries)
            WriteEntry(json, entry.TokenId, entry.LogProb, returnText);
        json.WriteEndArray();
    }

    /// <summary>As it was given, whatever it is: its strings need not even be valid Unicode.</summary>
    private static void WriteId(Utf8JsonWriter json, JsonElement id)
    {
        json.WritePropertyName("id");
        if (id.ValueKind == JsonValueKind.Undefined)
            json.WriteNullValue();
        else
            json.WriteRawValue(id.GetRawText(), skipInputValidation: true);
    }

    private static void WriteVersions(Utf8JsonWriter json, Generation generation)
    {
        json.WriteString("weight_version", generation.WeightVersion);
        WriteVersionRuns(json, generation.WeightVersions);
        json.WriteBoolean("mixed_kv", generation.HasMixedKv);
    }

    /// <summary>Version and tokens of each run, as an array of arrays.</summary>
    public static void WriteVersionRuns(Utf8JsonWriter json, IReadOnlyList<WeightVersionRun> runs)
    {
        json.WriteStartArray("weight_versions");
        foreach (WeightVersionRun run in runs)
        {
            json.WriteStartArray();
            json.WriteStringValue(run.Version);
            json.WriteNumberValue(run.Tokens);
            json.WriteEndArray();
        }
        json.WriteEndArray();
    }

    private static void WriteFinishReason(Utf8JsonWriter json, Generation generation, int made)
    {
        json.WriteStartObject("finish_reason");
        switch (generation.FinishReason)
        {
            case FinishReason.Stop:
                json.WriteString("type", "stop");
                if (generation.MatchedStopId is { } matched)
                    json.WriteNumber("matched", matched);
                else
                    json.WriteString("matched", generation.MatchedStopText);
                break;
            case FinishReason.Length:
                json.WriteString("type", "length");
                json.WriteNumber("length", made);
                break;
            case FinishReason.Abort:
                json.WriteString("type", "abort");
                if (generation.Error is { } cause)
                    json.WriteString("message", cause.Message);
                break;
            default:
                json.WriteString("type", "error");
                json.WriteString("message", generation.Error?.Message);
                break;
        }
        json.WriteEndObject();
    }

    private static void WriteTimes(Utf8JsonWriter json, Generation generation, int made)
    {
        json.WriteNumber("queue_time", generation.QueueTime.TotalSeconds);
        json.WriteNumber("e2e_latency", generation.EndToEndTime.TotalSeconds);
        if (generation.TimeToFirstToken is not { } first)
            return;
        json.WriteNumber("ttft", first.TotalSeconds);
        double decodeSeconds = (generation.EndToEndTime - first).TotalSeconds;
        if (made > 1 && decodeSeconds > 0)
            json.WriteNumber("decode_throughput", (made - 1) / decodeSeconds);
    }

    /// <summary>
    /// Which way it went. SGLang's durations for bootstrap and preallocation are left out: between workers
    /// of one process there is neither.
    /// </summary>
    private static void WriteRoute(Utf8JsonWriter json, Generation generation)
    {
        PhaseTimings times = generation.Timings;
        json.WriteString("pd_path", RouteText.PathName(generation.PdPath));
        json.WriteString("pd_reason", generation.PdReason);
        WriteSeconds(json, "pd_prefill_bootstrap_queue_duration", times.PrefillQueueNs);
        WriteSeconds(json, "pd_prefill_forward_duration", times.PrefillForwardNs);
        WriteSeconds(json, "pd_prefill_transfer_queue_duration", times.TransferQueueNs);
        WriteSeconds(json, "pd_decode_alloc_wait_duration", times.DecodeAllocWaitNs);
        WriteSeconds(json, "pd_decode_transfer_duration", times.DecodeTransferNs);
        WriteSeconds(json, "pd_decode_forward_duration", times.DecodeForwardNs);
        json.WriteNumber("pd_prefill_retry_count", generation.FailureCount);
        if (generation.TransferBytes == 0)
            return;
        // Binary units, as SGLang has them.
        double gibibytes = generation.TransferBytes / (double)(1 << 30);
        json.WriteNumber("pd_transfer_total_mb", gibibytes * 1024);
        if (times.DecodeTransferNs > 0)
            json.WriteNumber("pd_transfer_speed_gb_s", gibibytes / (times.DecodeTransferNs / 1e9));
    }

    private static void WriteSeconds(Utf8JsonWriter json, string name, long ns) =>
        json.WriteNumber(name, ns / 1e9);

    private void WriteTops(
        Utf8JsonWriter json, string field, IReadOnlyList<TokenLogProb> entries, bool returnText)
    {
        json.WriteStartArray(field);
        foreach (TokenLogProb entry in entries)
        {
            if (entry.LogProb is null)
            {
                json.WriteNullValue();
                continue;
            }
            json.WriteStartArray();
            foreach (TopLogProb top in entry.Top)
                WriteEntry(json, top.TokenId, top.LogProb, returnText);
            json.WriteEndArray();
        }
        json.WriteEndArray();
    }

    private void WriteEntry(Utf8JsonWriter json, int token, float? logProb, bool returnText)
    {
        json.WriteStartArray();
        // JSON has no infinity: the log-prob of what could not be drawn is the lowest number there is.
        if (logProb is { } value && !float.IsNaN(value))
            json.WriteNumberValue(Math.Max(value, float.MinValue));
        else
            json.WriteNullValue();
        json.WriteNumberValue(token);
        json.WriteStringValue(returnText && tokenizer is not null ? tokenizer.TokenText(token) : null);
        json.WriteEndArray();
    }
}
