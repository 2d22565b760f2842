using System.Text;
using System.Text.Json;

namespace PdEngine;

/// <summary>Reads OpenAI-shaped messages into template values.</summary>
internal static class ChatMessages
{
    private const string Field = "messages";

    /// <summary>The messages as a list of mappings.</summary>
    /// <param name="messages">A JSON array of objects, each with a <c>role</c>.</param>
    /// <param name="keepNullContent">Whether null content stays null, not empty text.</param>
    public static JinjaValue Read(JsonElement messages, bool keepNullContent)
    {
        if (messages.ValueKind != JsonValueKind.Array)
            throw new RequestException(Field, $"must be a JSON array, not {messages.ValueKind}");
        JinjaValue[] list = new JinjaValue[messages.GetArrayLength()];
        int index = 0;
        foreach (JsonElement message in messages.EnumerateArray())
        {
            try
            {
                list[index] = ReadMessage(message, index, keepNullContent);
            }
            catch (JinjaException error)
            {
                throw new RequestException(Field, $"message {index}: {error.Message}");
            }
            index++;
        }
        return JinjaValue.List(list);
    }

    private static JinjaValue ReadMessage(JsonElement message, int index, bool keepNullContent)
    {
        if (message.ValueKind != JsonValueKind.Object)
            throw new RequestException(
                Field, $"message {index} must be a JSON object, not {message.ValueKind}");
        JinjaMapping mapping = new();
        foreach (KeyValuePair<JinjaValue, JinjaValue> entry in JinjaJson.Read(message).AsMapping.Entries)
        {
            bool isContent = entry.Key.AsString == "content";
            mapping.Set(entry.Key, isContent ? Content(entry.Value, index, keepNullContent) : entry.Value);
        }
        if (!mapping.TryGet("role", out JinjaValue role) || !role.IsString)
            throw new RequestException(Field, $"message {index} has no 'role' that is a string");
        return JinjaValue.Mapping(mapping);
    }

    private static JinjaValue Content(JinjaValue content, int index, bool keepNull)
    {
        if (content.IsNone)
            return keepNull ? content : JinjaValue.String("");
        if (content.IsString)
            return content;
        if (content.Kind != JinjaKind.Sequence)
        {
            throw new RequestException(
                Field,
                $"content of message {index} must be a string or a list of parts, not {content.TypeName}");
        }
        StringBuilder text = new();
        int part = 0;
        foreach (JinjaValue item in content.AsSequence.Items)
        {
            if (part > 0)
                text.Append(' ');
            text.Append(PartText(item, $"part {part} of the content of message {index}"));
            part++;
        }
        return JinjaValue.String(text.ToString());
    }

    private static string PartText(JinjaValue part, string where)
    {
        if (part.Kind != JinjaKind.Mapping || !part.AsMapping.TryGet("type", out JinjaValue type)
            || !type.IsString)
            throw new RequestException(Field, $"{where} must be an object with a 'type'");
        if (type.AsString != "text")
            throw new RequestException(
                Field, $"{where} has type '{type.AsString}'; only 'text' can be served");
        return part.AsMapping.TryGet("text", out JinjaValue text) && text.IsString
            ? text.AsString
            : throw new RequestException(Field, $"{where} has no 'text' that is a string");
    }
}
