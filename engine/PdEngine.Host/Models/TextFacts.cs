namespace PdEngine.Host;

/// <summary>What a checkpoint says of text.</summary>
/// <param name="HasTokenizer">It has a tokenizer.</param>
/// <param name="HasTemplate">It has a chat template.</param>
/// <param name="Tokens">Of the tokenizer.</param>
/// <param name="Bos">Token that starts a text.</param>
/// <param name="Eos">Token that ends one.</param>
/// <param name="WhyNot">Why they cannot be used; null where they can.</param>
internal sealed record TextFacts(
    bool HasTokenizer, bool HasTemplate, int Tokens, string? Bos, string? Eos, string? WhyNot)
{
    public static TextFacts Read(ICheckpoint checkpoint, MemoryFolder? inMemory)
    {
        try
        {
            (Tokenizer? tokenizer, ChatTemplate? template) = TextFiles.Load(checkpoint, inMemory);
            return new(tokenizer is not null, template is not null, tokenizer?.VocabularySize ?? 0,
                tokenizer?.BosToken, tokenizer?.EosToken, null);
        }
        catch (CheckpointException fault)
        {
            return new(false, false, 0, null, null, fault.Message);
        }
    }
}
