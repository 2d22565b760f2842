using System.Buffers;
using System.Text.Json;

namespace PdEngine.Host;

/// <summary>
/// Clients send the arguments of earlier tool calls as text that is JSON; chat templates write them as the
/// JSON that they are.
/// </summary>
internal static class ToolArguments
{
    /// <summary>The messages with arguments as objects; as they are where there are no calls.</summary>
    public static JsonElement Unquoted(JsonElement messages)
    {
        if (!messages.EnumerateArray().Any(HasCalls))
            return messages;
        ArrayBufferWriter<byte> bytes = new(1024);
        using (Utf8JsonWriter json = new(bytes, new JsonWriterOptions { SkipValidation = true }))
            Copy(json, messages, "messages");
        using JsonDocument document = JsonDocument.Parse(bytes.WrittenMemory);
        return document.RootElement.Clone();
    }

    private static bool HasCalls(JsonElement message) => message.ValueKind == JsonValueKind.Object
        && message.TryGetProperty("tool_calls", out JsonElement calls)
        && calls.ValueKind == JsonValueKind.Array;

    /// <param name="json">Where to.</param>
    /// <param name="value">What.</param>
    /// <param name="place">Name of the field that it is, or is in: messages, tool_calls or function.</param>
    private static void Copy(Utf8JsonWriter json, JsonElement value, string place)
    {
        if (value.ValueKind == JsonValueKind.Array && place is "messages" or "tool_calls")
        {
            json.WriteStartArray();
            foreach (JsonElement item in value.EnumerateArray())
                Copy(json, item, place);
            json.WriteEndArray();
        }
        else if (value.ValueKind == JsonValueKind.Object)
        {
            json.WriteStartObject();
            foreach (JsonProperty property in value.EnumerateObject())
                CopyField(json, property, place);
            json.WriteEndObject();
        }
        else
        {
            json.WriteRawValue(value.GetRawText(), skipInputValidation: true);
        }
    }

    private static void CopyField(Utf8JsonWriter json, JsonProperty property, string place)
    {
        string name = Fields.NameOf(property);
        json.WritePropertyName(name);
        string? inside = (place, name) switch
        {
            ("messages", "tool_calls") => "tool_calls",
            ("tool_calls", "function") => "function",
            _ => null,
        };
        if (inside is not null)
            Copy(json, property.Value, inside);
        else if (place == "function" && name == "arguments" && ToolCall.ObjectIn(property.Value) is { } text)
            json.WriteRawValue(text, skipInputValidation: true);
        else
            json.WriteRawValue(property.Value.GetRawText(), skipInputValidation: true);
    }
}
