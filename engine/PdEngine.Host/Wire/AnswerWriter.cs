using System.Text.Json;

namespace PdEngine.Host;

/// <summary>Writes a generation in the shape of SGLang's <c>/generate</c> answer.</summary>
/// <param name="tokenizer">For the text of log-prob entries; null writes null there.</param>
internal sealed class AnswerWriter(Tokenizer? tokenizer)
{
    /// <summary>Writes one answer object.</summary>
    /// <param name="json">Where to.</param>
    /// <param name="id">The line's own id, put first; undefined writes none.</param>
    /// <param name="name">The request's name in <c>meta_info.id</c>.</param>
    /// <param name="generation">What was generated.</param>
    /// <param name="logProbs">Log-probs were asked for.</param>
    /// <param name="topCount">Most likely tokens were asked for, so many.</param>
    /// <param name="returnText">Entries carry their token's text.</param>
    public void Write(
        Utf8JsonWriter json, JsonElement id, string name, Generation generation, bool logProbs, int topCount,
        bool returnText)
    {
        json.WriteStartObject();
        if (id.ValueKind != JsonValueKind.Undefined)
        {
            json.WritePropertyName("id");
            id.WriteTo(json);
        }
        json.WriteString("text", generation.Text);
        json.WriteStartArray("output_ids");
        foreach (int token in generation.OutputIds)
            json.WriteNumberValue(token);
        json.WriteEndArray();
        json.WriteStartObject("meta_info");
        json.WriteString("id", name);
        WriteFinishReason(json, generation);
        json.WriteNumber("prompt_tokens", generation.PromptIds.Length);
        json.WriteNumber("completion_tokens", generation.OutputIds.Count);
        json.WriteNumber("cached_tokens", generation.CachedTokens);
        json.WriteString("weight_version", generation.WeightVersion);
        if (logProbs)
        {
            WriteLogProbs(json, "input_token_logprobs", generation.InputLogProbs, returnText);
            WriteLogProbs(json, "output_token_logprobs", generation.OutputLogProbs, returnText);
            if (topCount > 0)
            {
                WriteTops(json, "input_top_logprobs", generation.InputLogProbs, returnText);
                WriteTops(json, "output_top_logprobs", generation.OutputLogProbs, returnText);
            }
        }
        WriteTimes(json, generation);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    /// <summary>Writes the entry of a request that was refused or failed.</summary>
    public static void WriteError(Utf8JsonWriter json, JsonElement id, string type, string message)
    {
        json.WriteStartObject();
        json.WritePropertyName("id");
        if (id.ValueKind == JsonValueKind.Undefined)
            json.WriteNullValue();
        else
            id.WriteTo(json);
        json.WriteStartObject("error");
        json.WriteString("type", type);
        json.WriteString("message", message);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WriteFinishReason(Utf8JsonWriter json, Generation generation)
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
                json.WriteNumber("length", generation.OutputIds.Count);
                break;
            case FinishReason.Abort:
                json.WriteString("type", "abort");
                break;
            default:
                json.WriteString("type", "error");
                json.WriteString("message", generation.Error?.Message);
                break;
        }
        json.WriteEndObject();
    }

    private static void WriteTimes(Utf8JsonWriter json, Generation generation)
    {
        json.WriteNumber("queue_time", generation.QueueTime.TotalSeconds);
        json.WriteNumber("e2e_latency", generation.EndToEndTime.TotalSeconds);
        if (generation.TimeToFirstToken is not { } first)
            return;
        json.WriteNumber("ttft", first.TotalSeconds);
        double decodeSeconds = (generation.EndToEndTime - first).TotalSeconds;
        if (generation.OutputIds.Count > 1 && decodeSeconds > 0)
            json.WriteNumber("decode_throughput", (generation.OutputIds.Count - 1) / decodeSeconds);
    }

    private void WriteLogProbs(
        Utf8JsonWriter json, string field, IReadOnlyList<TokenLogProb> entries, bool returnText)
    {
        json.WriteStartArray(field);
        foreach (TokenLogProb entry in entries)
            WriteEntry(json, entry.TokenId, entry.LogProb, returnText);
        json.WriteEndArray();
    }

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
        if (logProb is { } value)
            json.WriteNumberValue(Math.Max(value, float.MinValue));
        else
            json.WriteNullValue();
        json.WriteNumberValue(token);
        json.WriteStringValue(returnText && tokenizer is not null ? tokenizer.TokenText(token) : null);
        json.WriteEndArray();
    }
}
