using System.Text.Json;

namespace PdEngine;

/// <summary>
/// Hugging Face's tokenizer files inside a GGUF file's metadata, byte for byte. <c>tokenizer.json</c> is
/// under the key that the format has for it.
/// </summary>
internal static class GgufCarriedText
{
    public const string TokenizerKey = "tokenizer.huggingface.json";
    public const string ConfigKey = "pdengine.tokenizer_config.json";
    public const string TemplateKey = "tokenizer.chat_template";

    /// <summary>The files are ours to go by, whatever lists are there for others.</summary>
    public const string MarkKey = "pdengine.tokenizer_files";

    private const int MaxFileBytes = 256 << 20;

    /// <summary>The files; null where there is no tokenizer among them.</summary>
    /// <exception cref="CheckpointException">They are too long.</exception>
    public static MemoryFolder? Read(GgufFile file)
    {
        GgufMetadata keys = file.Metadata;
        // A file of somebody else's making is read by its lists, as its maker meant it.
        if (keys.Has("tokenizer.ggml.model") && keys.Flag(MarkKey) != true)
            return null;
        if (keys.Bytes(TokenizerKey, MaxFileBytes) is not { } tokenizer)
            return null;
        Dictionary<string, ReadOnlyMemory<byte>> files = new(StringComparer.Ordinal)
        {
            [TextFiles.TokenizerFile] = tokenizer,
        };
        byte[]? config = keys.Bytes(ConfigKey);
        if (config is not null)
            files.Add(TextFiles.ConfigFile, config);
        // Only the file's own list can hold more than one template.
        if (keys.Bytes(TemplateKey) is { } template && !HasTemplates(config))
            files.Add(TextFiles.TemplateFile, template);
        return new MemoryFolder(file.Path, files);
    }

    private static bool HasTemplates(byte[]? config)
    {
        if (config is null)
            return false;
        try
        {
            using JsonDocument document = JsonDocument.Parse(config);
            return document.RootElement.ValueKind == JsonValueKind.Object
                && document.RootElement.TryGetProperty("chat_template", out JsonElement template)
                && template.ValueKind == JsonValueKind.Array;
        }
        catch (JsonException)
        {
            // Whoever reads it as a tokenizer's says what is wrong with it.
            return false;
        }
    }
}
