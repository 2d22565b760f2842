using System.Text.Json;

namespace PdEngine.Host;

/// <summary>Log-probs in the two shapes of OpenAI's.</summary>
/// <param name="tokenizer">For texts; null where ids alone are known.</param>
internal sealed class OpenAiLogProbs(Tokenizer? tokenizer)
{
    /// <summary>Of chats: objects.</summary>
    public void WriteChat(Utf8JsonWriter json, IReadOnlyList<TokenLogProb> entries)
    {
        json.WriteStartObject("logprobs");
        json.WriteStartArray("content");
        foreach (TokenLogProb entry in entries)
        {
            json.WriteStartObject();
            WriteToken(json, entry.TokenId, entry.LogProb);
            json.WriteStartArray("top_logprobs");
            foreach (TopLogProb top in entry.Top)
            {
                json.WriteStartObject();
                WriteToken(json, top.TokenId, top.LogProb);
                json.WriteEndObject();
            }
            json.WriteEndArray();
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteNull("refusal");
        json.WriteEndObject();
    }

    /// <summary>Of completions: lists beside each other.</summary>
    /// <param name="json">Where to.</param>
    /// <param name="entries">Of what.</param>
    /// <param name="hasTop">The most likely tokens were asked for.</param>
    /// <param name="offset">Letters of the text before them.</param>
    public void WriteCompletion(
        Utf8JsonWriter json, IReadOnlyList<TokenLogProb> entries, bool hasTop, int offset)
    {
        json.WriteStartObject("logprobs");
        json.WriteStartArray("tokens");
        foreach (TokenLogProb entry in entries)
            json.WriteStringValue(TextOf(entry.TokenId));
        json.WriteEndArray();
        json.WriteStartArray("token_logprobs");
        foreach (TokenLogProb entry in entries)
            WriteValue(json, entry.LogProb);
        json.WriteEndArray();
        if (hasTop)
            WriteTops(json, entries);
        else
            json.WriteNull("top_logprobs");
        json.WriteStartArray("text_offset");
        foreach (TokenLogProb entry in entries)
        {
            json.WriteNumberValue(offset);
            offset += TextOf(entry.TokenId).Length;
        }
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private void WriteTops(Utf8JsonWriter json, IReadOnlyList<TokenLogProb> entries)
    {
        json.WriteStartArray("top_logprobs");
        HashSet<string> seen = [];
        foreach (TokenLogProb entry in entries)
        {
            json.WriteStartObject();
            seen.Clear();
            foreach (TopLogProb top in entry.Top)
            {
                // Two tokens can have one text; the more likely one stands.
                if (!seen.Add(TextOf(top.TokenId)))
                    continue;
                json.WritePropertyName(TextOf(top.TokenId));
                WriteValue(json, top.LogProb);
            }
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }

    private void WriteToken(Utf8JsonWriter json, int token, float? logProb)
    {
        json.WriteString("token", TextOf(token));
        json.WritePropertyName("logprob");
        WriteValue(json, logProb);
        json.WriteStartArray("bytes");
        ReadOnlySpan<byte> bytes = tokenizer is null ? [] : tokenizer.TokenBytesOf(token);
        foreach (byte one in bytes)
            json.WriteNumberValue(one);
        json.WriteEndArray();
        json.WriteNumber("token_id", token);
    }

    private string TextOf(int token) => tokenizer?.TokenText(token) ?? $"token_id:{token}";

    /// <summary>JSON has no infinity: what could not be drawn has the lowest number there is.</summary>
    private static void WriteValue(Utf8JsonWriter json, float? logProb)
    {
        if (logProb is { } value && !float.IsNaN(value))
            json.WriteNumberValue(Math.Max(value, float.MinValue));
        else
            json.WriteNullValue();
    }
}
