namespace PdEngine;

/// <summary>Finds a checkpoint's tokenizer and chat template; either may be absent.</summary>
internal static class TextFiles
{
    public static (Tokenizer? Tokenizer, ChatTemplate? Template) Load(ICheckpoint checkpoint)
    {
        if (checkpoint is GgufCheckpoint gguf)
            return FromGguf(gguf.Vocabulary);
        string folder = checkpoint.Path;
        if (!File.Exists(Path.Combine(folder, "tokenizer.json")))
            return (null, null);
        return (Tokenizer.Load(folder), ChatTemplateFiles.Load(folder));
    }

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
