using System.Text.Json;
using Microsoft.Extensions.AI;

namespace PdEngine;

/// <summary>Writes the turns of a chat as a template takes them: as OpenAI's messages.</summary>
internal static class ChatTurns
{
    /// <exception cref="RequestException">A message holds what no template takes.</exception>
    public static void Write(Utf8JsonWriter json, IReadOnlyList<ChatMessage> messages)
    {
        json.WriteStartArray();
        foreach (ChatMessage message in messages)
        {
            foreach (AIContent content in message.Contents)
            {
                bool isKnown = content
                    is TextContent or UsageContent or FunctionCallContent or FunctionResultContent;
                ChatRequest.Refuse(!isKnown, $"{content.GetType().Name} in a message");
            }
            FunctionResultContent[] results = [.. message.Contents.OfType<FunctionResultContent>()];
            foreach (FunctionResultContent result in results)
                WriteResult(json, result);
            if (results.Length == 0 || message.Text.Length > 0)
                WriteMessage(json, message);
        }
        json.WriteEndArray();
    }

    private static void WriteMessage(Utf8JsonWriter json, ChatMessage message)
    {
        json.WriteStartObject();
        json.WriteString("role", message.Role.Value);
        json.WriteString("content", message.Text);
        FunctionCallContent[] calls = [.. message.Contents.OfType<FunctionCallContent>()];
        if (calls.Length > 0)
        {
            json.WriteStartArray("tool_calls");
            foreach (FunctionCallContent call in calls)
                WriteCall(json, call);
            json.WriteEndArray();
        }
        json.WriteEndObject();
    }

    private static void WriteCall(Utf8JsonWriter json, FunctionCallContent call)
    {
        json.WriteStartObject();
        json.WriteString("id", call.CallId);
        json.WriteString("type", "function");
        json.WriteStartObject("function");
        json.WriteString("name", call.Name);
        json.WriteStartObject("arguments");
        foreach ((string name, object? value) in call.Arguments ?? new Dictionary<string, object?>())
        {
            json.WritePropertyName(name);
            ChatJson.Write(json, value);
        }
        json.WriteEndObject();
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WriteResult(Utf8JsonWriter json, FunctionResultContent result)
    {
        json.WriteStartObject();
        json.WriteString("role", "tool");
        json.WriteString("tool_call_id", result.CallId);
        json.WriteString("content", result.Result switch
        {
            string text => text,
            JsonElement { ValueKind: JsonValueKind.String } text => text.GetString(),
            object other => ChatJson.Of(inner => ChatJson.Write(inner, other)).GetRawText(),
            null => result.Exception is { } fault ? $"error: {fault.Message}" : "",
        });
        json.WriteEndObject();
    }
}
