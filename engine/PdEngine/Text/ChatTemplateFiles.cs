using System.Text.Json;

namespace PdEngine;

/// <summary>
/// Finds the chat template of a checkpoint's folder: <c>chat_template.jinja</c>, or the entry of
/// <c>tokenizer_config.json</c>.
/// </summary>
internal static class ChatTemplateFiles
{
    private const long LargestFileBytes = 64 << 20;

    /// <summary>The folder's template, or null where it has none.</summary>
    /// <exception cref="CheckpointException">A file is too large, malformed, or its template cannot be
    /// used.</exception>
    public static ChatTemplate? Load(string folder)
    {
        string jinja = Path.Combine(folder, "chat_template.jinja");
        if (File.Exists(jinja))
            return ChatTemplate.Parse(ReadText(jinja), jinja);
        string config = Path.Combine(folder, "tokenizer_config.json");
        return File.Exists(config) ? FromConfig(ReadText(config), config) : null;
    }

    /// <summary>
    /// The template in the text of a <c>tokenizer_config.json</c>, or null where it has none.
    /// </summary>
    public static ChatTemplate? FromConfig(string json, string path)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(json);
            if (document.RootElement.ValueKind != JsonValueKind.Object)
                throw new CheckpointException(path, "must hold a JSON object");
            if (!document.RootElement.TryGetProperty("chat_template", out JsonElement template))
                return null;
            return template.ValueKind switch
            {
                JsonValueKind.Null => null,
                JsonValueKind.String => ChatTemplate.Parse(JinjaJson.ReadText(template), path),
                JsonValueKind.Array => FromNamed(template, path),
                _ => throw new CheckpointException(
                    path, $"'chat_template' must be a string or a list, not {template.ValueKind}"),
            };
        }
        catch (JsonException error)
        {
            throw new CheckpointException(path, $"is not JSON: {error.Message}", error);
        }
        catch (JinjaException error)
        {
            throw new CheckpointException(path, $"'chat_template': {error.Message}", error);
        }
    }

    private static ChatTemplate FromNamed(JsonElement list, string path)
    {
        Dictionary<string, string> byName = new(StringComparer.Ordinal);
        foreach (JsonElement entry in list.EnumerateArray())
        {
            if (entry.ValueKind != JsonValueKind.Object
                || !entry.TryGetProperty("name", out JsonElement name)
                    || name.ValueKind != JsonValueKind.String
                || !entry.TryGetProperty("template", out JsonElement source)
                || source.ValueKind != JsonValueKind.String)
                throw new CheckpointException(
                    path, "an entry of 'chat_template' has no 'name' and 'template'");
            byName[JinjaJson.ReadText(name)] = JinjaJson.ReadText(source);
        }
        if (!byName.TryGetValue("default", out string? standard))
        {
            throw new CheckpointException(
                path, $"'chat_template' has no entry 'default'; it has: {string.Join(", ", byName.Keys)}");
        }
        ChatTemplate template = ChatTemplate.Parse(standard, path);
        return byName.TryGetValue("tool_use", out string? withTools)
            ? template.WithTools(ChatTemplate.Parse(withTools, path))
            : template;
    }

    private static string ReadText(string path)
    {
        try
        {
            long bytes = new FileInfo(path).Length;
            if (bytes > LargestFileBytes)
                throw new CheckpointException(
                    path, $"has {bytes} bytes; at most {LargestFileBytes} are read");
            return File.ReadAllText(path);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new CheckpointException(path, $"cannot be read: {error.Message}", error);
        }
    }
}
