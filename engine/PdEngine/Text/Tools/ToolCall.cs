using System.Text.Json;

namespace PdEngine;

/// <summary>A tool that the model calls.</summary>
/// <param name="Name">The tool's.</param>
/// <param name="Arguments">JSON text of an object, as the model wrote it.</param>
internal sealed record ToolCall(string Name, string Arguments)
{
    /// <summary>The call that JSON text is; null where it is none of a known tool.</summary>
    public static ToolCall? Parse(string text, IReadOnlySet<string> names)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(text);
            return Read(document.RootElement, names);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    /// <summary>The same of JSON that is read already.</summary>
    public static ToolCall? Read(JsonElement call, IReadOnlySet<string> names)
    {
        if (call.ValueKind != JsonValueKind.Object || NameOf(call) is not { } name || !names.Contains(name))
        {
            return null;
        }
        bool isThere = call.TryGetProperty("arguments", out JsonElement arguments)
            || call.TryGetProperty("parameters", out arguments);
        string? text = isThere ? ObjectIn(arguments) : "{}";
        return text is null ? null : new(name, text);
    }

    private static string? NameOf(JsonElement call)
    {
        if (!call.TryGetProperty("name", out JsonElement name) || name.ValueKind != JsonValueKind.String)
            return null;
        try
        {
            return name.GetString();
        }
        catch (InvalidOperationException)
        {
            // Half a surrogate pair.
            return null;
        }
    }

    /// <summary>JSON text of an object that is given as such or as text; null where it is neither.</summary>
    public static string? ObjectIn(JsonElement value)
    {
        if (value.ValueKind == JsonValueKind.Object)
            return value.GetRawText();
        if (value.ValueKind != JsonValueKind.String)
            return null;
        try
        {
            using JsonDocument inner = JsonDocument.Parse(value.GetString()!);
            JsonElement root = inner.RootElement;
            return root.ValueKind == JsonValueKind.Object ? root.GetRawText() : null;
        }
        catch (Exception fault) when (fault is JsonException or InvalidOperationException)
        {
            return null;
        }
    }
}
