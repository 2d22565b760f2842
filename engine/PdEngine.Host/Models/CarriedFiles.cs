using System.Text;
using System.Text.Json;

namespace PdEngine.Host;

/// <summary>A checkpoint's tokenizer as Hugging Face files; null where there is no such file.</summary>
internal sealed record CarriedFiles(
    ReadOnlyMemory<byte>? Tokenizer, ReadOnlyMemory<byte>? Config, ReadOnlyMemory<byte>? Template)
{
    /// <summary>Those of a folder, of a folder in memory, or those that a GGUF file has inside.</summary>
    public static CarriedFiles Of(ICheckpoint checkpoint, MemoryFolder? inMemory)
    {
        if (inMemory is not null || checkpoint is GgufCheckpoint)
        {
            MemoryFolder? folder = inMemory ?? ((GgufCheckpoint)checkpoint).CarriedText;
            return new(folder?.Find(TextFiles.TokenizerFile), folder?.Find(TextFiles.ConfigFile),
                folder?.Find(TextFiles.TemplateFile));
        }
        return new(Read(checkpoint.Path, TextFiles.TokenizerFile),
            Read(checkpoint.Path, TextFiles.ConfigFile), Read(checkpoint.Path, TextFiles.TemplateFile));
    }

    /// <summary>Source of the one chat template, or of the default one of several; null for none.</summary>
    public string? ChatTemplate()
    {
        if (Template is { } jinja)
            return Encoding.UTF8.GetString(jinja.Span);
        if (Config is not { } json)
            return null;
        using JsonDocument document = JsonDocument.Parse(json);
        if (!document.RootElement.TryGetProperty("chat_template", out JsonElement template))
            return null;
        if (template.ValueKind == JsonValueKind.String)
            return template.GetString();
        return template.ValueKind != JsonValueKind.Array ? null : template.EnumerateArray()
            .Where(one => one.GetProperty("name").GetString() == "default")
            .Select(one => one.GetProperty("template").GetString()).FirstOrDefault();
    }

    private static ReadOnlyMemory<byte>? Read(string folder, string name)
    {
        string path = Path.Combine(folder, name);
        return File.Exists(path) ? File.ReadAllBytes(path) : default(ReadOnlyMemory<byte>?);
    }
}
