namespace PdEngine;

/// <summary>Reads the tokenizer that a GGUF file carries in its metadata.</summary>
internal static class GgufVocabularyReader
{
    private const int MaxMerges = 1 << 24;

    /// <summary>The vocabulary, or null where the file names no tokenizer.</summary>
    /// <exception cref="CheckpointException">Its lists do not fit each other or the model.</exception>
    public static GgufVocabulary? Read(GgufFile file, int vocabularySize)
    {
        GgufMetadata keys = file.Metadata;
        string? model = keys.Text("tokenizer.ggml.model");
        if (model is null or "none" or "no_vocab")
            return null;
        Check(file, vocabularySize);
        string? pre = keys.Text("tokenizer.ggml.pre");
        return new GgufVocabulary(
            file.Path, model, pre, keys.Texts("tokenizer.ggml.tokens", vocabularySize),
            Array.ConvertAll(keys.Numbers("tokenizer.ggml.token_type", vocabularySize), type => (int)type),
            Array.ConvertAll(keys.Numbers("tokenizer.ggml.scores", vocabularySize), score => (float)score),
            keys.Texts("tokenizer.ggml.merges", MaxMerges),
            keys.OptionalInt("tokenizer.ggml.bos_token_id", 0, int.MaxValue),
            keys.OptionalInt("tokenizer.ggml.eos_token_id", 0, int.MaxValue),
            keys.Flag("tokenizer.ggml.add_bos_token") ?? AddsBosByDefault(model, pre),
            keys.Text("tokenizer.chat_template"));
    }

    /// <summary>What opening the file proves about the lists without reading them.</summary>
    public static void Check(GgufFile file, int vocabularySize)
    {
        GgufMetadata keys = file.Metadata;
        if (!keys.Has("tokenizer.ggml.model"))
            return;
        long tokens = keys.ArrayCount("tokenizer.ggml.tokens") ?? 0;
        if (tokens > vocabularySize)
            throw keys.Fault("tokenizer.ggml.tokens", $"has {tokens} tokens for {vocabularySize} embedding " +
                                                      "rows");
        foreach (string list in (string[])["tokenizer.ggml.token_type", "tokenizer.ggml.scores"])
        {
            if (keys.ArrayCount(list) is { } count && count != tokens)
                throw keys.Fault(list, $"has {count} elements for {tokens} tokens");
        }
        if (keys.ArrayCount("tokenizer.ggml.merges") is > MaxMerges and long merges)
            throw keys.Fault("tokenizer.ggml.merges", $"has {merges} elements; at most {MaxMerges} are read");
    }

    /// <summary>SentencePiece and Llama 3 start with BOS unless the file says otherwise.</summary>
    private static bool AddsBosByDefault(string model, string? pre) =>
        model == "llama" || pre is "llama3" or "llama-v3" or "llama-bpe";
}
