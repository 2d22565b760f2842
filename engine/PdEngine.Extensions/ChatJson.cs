using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace PdEngine;

/// <summary>JSON of what chats hold, without looking at types that it does not know.</summary>
internal static class ChatJson
{
    public static JsonElement Of(Action<Utf8JsonWriter> write)
    {
        using MemoryStream text = new();
        using (Utf8JsonWriter json = new(text))
            write(json);
        using JsonDocument document = JsonDocument.Parse(text.GetBuffer().AsMemory(0, (int)text.Length));
        return document.RootElement.Clone();
    }

    /// <exception cref="RequestException">It is of no type that has a JSON of its own.</exception>
    public static void Write(Utf8JsonWriter json, object? value)
    {
        switch (value)
        {
            case null:
                json.WriteNullValue();
                break;
            case JsonElement element:
                element.WriteTo(json);
                break;
            case JsonNode node:
                node.WriteTo(json);
                break;
            case string text:
                json.WriteStringValue(text);
                break;
            case bool flag:
                json.WriteBooleanValue(flag);
                break;
            case double or float when !double.IsFinite(Convert.ToDouble(value, CultureInfo.InvariantCulture)):
                throw new RequestException("a tool's value", $"{value} is no number that JSON has");
            case double or float or decimal:
            case int or long or uint or ulong or short or ushort or byte or sbyte:
                json.WriteRawValue(Convert.ToString(value, CultureInfo.InvariantCulture)!);
                break;
            default:
                throw new RequestException("a tool's value",
                    $"is a {value.GetType().Name}; give a JsonElement, text, a number or a bool");
        }
    }
}
