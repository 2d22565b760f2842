using System.Collections.Concurrent;
using System.Text;

namespace PdEngine;

/// <summary>
/// Text to token ids and back, as a checkpoint's tokenizer file defines it. Safe for many threads.
/// </summary>
public sealed class Tokenizer
{
    private readonly TextEncoder _encoder;
    private readonly TokenFrame _frame;
    private readonly TokenTexts _texts;
    private readonly ConcurrentBag<EncodeScratch> _scratch = [];
    private readonly Lazy<Dictionary<string, int>> _ids;

    internal Tokenizer(TokenizerParts parts)
    {
        (_encoder, _frame, _texts) = (parts.Encoder, parts.Frame, parts.Texts);
        _ids = new Lazy<Dictionary<string, int>>(IndexTexts);
        Bytes = new TokenBytes(parts.Texts, parts.Added, parts.Rules);
        (BosToken, EosToken) = (parts.Special.Bos, parts.Special.Eos);
        (PadToken, UnknownToken) = (parts.Special.Pad, parts.Special.Unknown);
        (BosTokenId, EosTokenId, PadTokenId) = (IdOf(BosToken), IdOf(EosToken), IdOf(PadToken));
    }

    /// <summary>
    /// One more than the largest token id; a model's own vocabulary may be padded beyond it.
    /// </summary>
    public int VocabularySize => _texts.IdLimit;

    /// <summary>Id that starts a text, where the files name one.</summary>
    public int? BosTokenId { get; }

    /// <summary>Id that ends a text, where the files name one.</summary>
    public int? EosTokenId { get; }

    /// <summary>Id that fills up a batch, where the files name one.</summary>
    public int? PadTokenId { get; }

    /// <summary>Text of the token that starts a text.</summary>
    public string? BosToken { get; }

    /// <summary>Text of the token that ends a text.</summary>
    public string? EosToken { get; }

    /// <summary>Text of the token that fills up a batch.</summary>
    public string? PadToken { get; }

    /// <summary>Text of the token for what the vocabulary cannot spell.</summary>
    public string? UnknownToken { get; }

    /// <summary>What each id decodes to.</summary>
    internal TokenBytes Bytes { get; }

    /// <summary>Reads a Hugging Face tokenizer.</summary>
    /// <param name="folderOrTokenizerJson">
    /// A folder with <c>tokenizer.json</c>, or that file; <c>tokenizer_config.json</c> beside it is read
    /// where it is.
    /// </param>
    /// <exception cref="CheckpointException">
    /// A file is missing, malformed, or asks for what is not supported.
    /// </exception>
    public static Tokenizer Load(string folderOrTokenizerJson) => TokenizerJson.Load(folderOrTokenizerJson);

    /// <summary>Reads tokenizer files from memory.</summary>
    /// <param name="tokenizerJson">Content of <c>tokenizer.json</c>.</param>
    /// <param name="tokenizerConfigJson">Content of <c>tokenizer_config.json</c>, or null.</param>
    /// <param name="path">Where they come from, for messages.</param>
    internal static Tokenizer Parse(
        ReadOnlyMemory<byte> tokenizerJson, ReadOnlyMemory<byte>? tokenizerConfigJson, string path) =>
        TokenizerJson.Parse(tokenizerJson, tokenizerConfigJson, path);

    /// <summary>Makes the tokenizer that a GGUF file's metadata describes.</summary>
    internal static Tokenizer FromGguf(GgufVocabulary vocabulary) => GgufTokenizer.Make(vocabulary);

    /// <summary>Text to ids.</summary>
    /// <param name="text">Any text; lone surrogates count as U+FFFD.</param>
    /// <param name="addSpecialTokens">
    /// Whether to add what the tokenizer puts around a text, such as a start token. Off for rendered chat
    /// templates,
    /// which bring their own.
    /// </param>
    /// <param name="parseAddedTokens">
    /// Whether <c>&lt;|im_end|&gt;</c> and its like become their ids, or plain text.
    /// </param>
    public int[] Encode(string text, bool addSpecialTokens = false, bool parseAddedTokens = true)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (!_scratch.TryTake(out EncodeScratch? scratch))
            scratch = new EncodeScratch();
        scratch.Clear();
        if (addSpecialTokens)
            scratch.Add(_frame.Before);
        _encoder.Encode(text, parseAddedTokens, scratch);
        if (addSpecialTokens)
            scratch.Add(_frame.Behind);
        int[] ids = scratch.Ids.ToArray();
        if (scratch.IsWorthKeeping)
            _scratch.Add(scratch);
        return ids;
    }

    /// <summary>Ids to text; bytes that are no UTF-8 show as U+FFFD, unknown ids are dropped.</summary>
    /// <param name="ids">Token ids.</param>
    /// <param name="skipSpecialTokens">Whether special tokens, such as an end of text, are left out.</param>
    public string Decode(ReadOnlySpan<int> ids, bool skipSpecialTokens = false)
    {
        TokenDecoder decoder = new(this, skipSpecialTokens);
        return decoder.Append(ids) + decoder.Flush();
    }

    /// <summary>Whether an id is a special token.</summary>
    /// <param name="id">A token id.</param>
    public bool IsSpecial(int id) => Bytes.IsSpecial(id);

    /// <summary>
    /// One token's own text, spaces kept; a part of a code point shows as U+FFFD, an unknown id as nothing.
    /// </summary>
    /// <param name="id">A token id.</param>
    public string TokenText(int id) => Encoding.UTF8.GetString(Bytes.Of(id));

    /// <summary>Id of a token by its spelling in the tokenizer file, or null.</summary>
    /// <param name="token">For example <c>&lt;|im_end|&gt;</c>.</param>
    public int? TokenId(string token) => _ids.Value.TryGetValue(token, out int id) ? id : null;

    /// <summary>A token's bytes; empty for an id without a token.</summary>
    internal ReadOnlySpan<byte> TokenBytesOf(int id) => Bytes.Of(id);

    private int? IdOf(string? token) => token is null ? null : _texts.Find(Encoding.UTF8.GetBytes(token));

    private Dictionary<string, int> IndexTexts()
    {
        Dictionary<string, int> ids = new(_texts.Count);
        for (int id = 0; id < _texts.IdLimit; id++)
        {
            if (_texts.Has(id))
                ids.TryAdd(Encoding.UTF8.GetString(_texts.Text(id)), id);
        }
        return ids;
    }
}
