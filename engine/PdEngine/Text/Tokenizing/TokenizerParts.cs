namespace PdEngine;

/// <summary>What a reader of a tokenizer file hands to <see cref="Tokenizer"/>.</summary>
/// <param name="Texts">Every token, added ones included.</param>
/// <param name="Added">The added tokens.</param>
/// <param name="Rules">The decoder.</param>
/// <param name="Encoder">The encoder.</param>
/// <param name="Frame">Ids around a text.</param>
/// <param name="Special">The tokens with a role.</param>
internal sealed record TokenizerParts(
    TokenTexts Texts, IReadOnlyList<AddedToken> Added, DecoderRules Rules, TextEncoder Encoder,
    TokenFrame Frame, SpecialTokens Special);

/// <summary>Ids that stand around a text that is encoded with special tokens.</summary>
internal sealed record TokenFrame(int[] Before, int[] Behind);

/// <summary>Texts of tokens with a role, where the files name them.</summary>
internal sealed record SpecialTokens(
    string? Bos = null, string? Eos = null, string? Pad = null, string? Unknown = null);
