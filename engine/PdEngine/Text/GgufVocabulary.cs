namespace PdEngine;

/// <summary>
/// A GGUF file's tokenizer metadata, as stored (<c>tokenizer.ggml.*</c>, <c>tokenizer.chat_template</c>).
/// </summary>
/// <param name="Path">The file, for messages.</param>
/// <param name="Model"><c>gpt2</c> (byte-level BPE) or <c>llama</c> (SentencePiece scores).</param>
/// <param name="Pre">Name of the pre-tokenizer pattern, for example <c>qwen2</c>.</param>
/// <param name="Tokens">Token strings by id.</param>
/// <param name="TokenTypes">1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte; by id.</param>
/// <param name="Scores">SentencePiece scores by id; empty where there are none.</param>
/// <param name="Merges">Merges "a b" in rank order.</param>
/// <param name="BosId">Id that starts a sequence, or null.</param>
/// <param name="EosId">Id that ends a sequence, or null.</param>
/// <param name="AddBos">Whether encoding with special tokens puts <paramref name="BosId"/> first.</param>
/// <param name="ChatTemplate">Jinja source, or null.</param>
internal sealed record GgufVocabulary(
    string Path, string Model, string? Pre, string[] Tokens, int[] TokenTypes, float[] Scores,
    string[] Merges, int? BosId, int? EosId, bool AddBos, string? ChatTemplate);
