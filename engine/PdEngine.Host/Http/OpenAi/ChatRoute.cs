using System.Text.Json;

namespace PdEngine.Host;

/// <summary>OpenAI's <c>/v1/chat/completions</c>.</summary>
internal static class ChatRoute
{
    public static async Task AnswerAsync(HttpCall call)
    {
        JsonElement body = await call.ReadObjectAsync().ConfigureAwait(false);
        OpenAiAsk ask = ChatBody.Read(body, call.Model, GenerateRoute.SessionOf(call));
        await new OpenAiAnswer(call, ask, "chatcmpl", "chat.completion").WriteAsync(
            (events, sample, asked, frame, logProbs) =>
                new ChatStream(events, sample, asked, frame, logProbs),
            WriteChoice).ConfigureAwait(false);
    }

    private static void WriteChoice(
        Utf8JsonWriter json, int index, Generation generation, OpenAiAsk ask, OpenAiLogProbs logProbs)
    {
        ToolCallReader reader = new(ask.ToolNames);
        List<ToolCallReader.Piece> pieces = [.. reader.Add(generation.Text), .. reader.End()];
        string text = string.Concat(pieces.Select(piece => piece.Text));
        json.WriteStartObject();
        json.WriteNumber("index", index);
        json.WriteStartObject("message");
        json.WriteString("role", "assistant");
        json.WriteString("content", text.Length == 0 && reader.CallCount > 0 ? null : text);
        json.WriteNull("refusal");
        if (reader.CallCount > 0)
        {
            json.WriteStartArray("tool_calls");
            foreach (ToolCall tool in pieces.Select(piece => piece.Call).OfType<ToolCall>())
                WriteCall(json, tool);
            json.WriteEndArray();
        }
        json.WriteEndObject();
        if (ask.TopCount is null)
            json.WriteNull("logprobs");
        else
            logProbs.WriteChat(json, generation.OutputLogProbs);
        json.WriteString("finish_reason", ReasonOf(generation, reader));
        json.WriteEndObject();
    }

    public static string ReasonOf(Generation generation, ToolCallReader reader) =>
        reader.CallCount > 0 && generation.FinishReason == FinishReason.Stop
            ? "tool_calls"
            : OpenAiFrame.ReasonOf(generation);

    public static string NewCallId() => $"call_{Guid.NewGuid():N}"[..29];

    private static void WriteCall(Utf8JsonWriter json, ToolCall tool)
    {
        json.WriteStartObject();
        json.WriteString("id", NewCallId());
        json.WriteString("type", "function");
        json.WriteStartObject("function");
        json.WriteString("name", tool.Name);
        json.WriteString("arguments", tool.Arguments);
        json.WriteEndObject();
        json.WriteEndObject();
    }
}
