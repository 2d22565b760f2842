using System.Text;

namespace PdEngine;

/// <summary>Finds a checkpoint's tokenizer and chat template; either may be absent.</summary>
internal static class TextFiles
{
    public const string TokenizerFile = "tokenizer.json";
    public const string ConfigFile = "tokenizer_config.json";
    public const string TemplateFile = "chat_template.jinja";

    /// <param name="checkpoint">What is open.</param>
    /// <param name="inMemory">The folder that it is, where it is none on disk.</param>
    public static (Tokenizer? Tokenizer, ChatTemplate? Template) Load(
        ICheckpoint checkpoint, MemoryFolder? inMemory = null)
    {
        if (inMemory is not null)
            return FromMemory(inMemory);
        if (checkpoint is GgufCheckpoint gguf)
            return gguf.CarriedText is { } carried ? FromMemory(carried) : FromGguf(gguf.Vocabulary);
        string folder = checkpoint.Path;
        if (!File.Exists(Path.Combine(folder, TokenizerFile)))
            return (null, null);
        return (Tokenizer.Load(folder), ChatTemplateFiles.Load(folder));
    }

    private static (Tokenizer?, ChatTemplate?) FromMemory(MemoryFolder folder)
    {
        if (folder.Find(TokenizerFile) is not { } content)
            return (null, null);
        ReadOnlyMemory<byte>? config = folder.Find(ConfigFile);
        Tokenizer tokenizer = Tokenizer.Parse(content, config, folder.PathOf(TokenizerFile));
        if (folder.Find(TemplateFile) is { } jinja)
            return (tokenizer, ChatTemplate.Parse(Text(jinja), folder.PathOf(TemplateFile)));
        return (tokenizer, config is { } json
            ? ChatTemplateFiles.FromConfig(Text(json), folder.PathOf(ConfigFile))
            : null);
    }

    private static string Text(ReadOnlyMemory<byte> utf8) => Encoding.UTF8.GetString(utf8.Span);

    private static (Tokenizer?, ChatTemplate?) FromGguf(GgufVocabulary? vocabulary)
    {
        if (vocabulary is null)
            return (null, null);
        ChatTemplate? template = vocabulary.ChatTemplate is { } source
            ? ChatTemplate.Parse(source, vocabulary.Path)
            : null;
        return (Tokenizer.FromGguf(vocabulary), template);
    }
}
