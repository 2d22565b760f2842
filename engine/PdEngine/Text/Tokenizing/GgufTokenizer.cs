using System.Text;

namespace PdEngine;

/// <summary>Makes a tokenizer from a GGUF file's metadata.</summary>
internal static class GgufTokenizer
{
    private const int Unknown = 2;
    private const int Control = 3;
    private const int UserDefined = 4;

    public static Tokenizer Make(GgufVocabulary source)
    {
        int tokens = source.Tokens.Length;
        if (tokens == 0)
            throw Fault(source, "tokens", "is empty");
        if (source.TokenTypes.Length != 0 && source.TokenTypes.Length != tokens)
            throw Fault(source, "token_type", $"has {source.TokenTypes.Length} entries for {tokens} tokens");
        TokenTexts texts = new();
        for (int id = 0; id < tokens; id++)
            texts.Add(Encoding.UTF8.GetBytes(source.Tokens[id]), id);
        texts.Index(source.Path);
        return source.Model switch
        {
            "gpt2" => MakeByteLevel(source, texts),
            "llama" => MakeSentencePiece(source, texts),
            _ => throw Fault(source, "model", $"is '{source.Model}'; 'gpt2' and 'llama' are supported"),
        };
    }

    /// <summary>Whether a piece that is a token stays whole, by <c>tokenizer.ggml.pre</c>.</summary>
    public static bool IgnoresMerges(string? pre) => pre is "llama-bpe" or "llama3" or "llama-v3" or "gpt-4o";

    /// <summary>Whether text is normalized (NFC): the file does not record it, but Qwen's is.</summary>
    public static bool Normalizes(string? pre) => pre == "qwen2";

    /// <summary>Whether a token of a GGUF type is cut out of the text before the model sees it.</summary>
    public static bool IsAdded(int type) => type is Control or UserDefined or Unknown;

    /// <summary>Whether decoding may leave an added token out.</summary>
    public static bool IsSpecial(int type) => type != UserDefined;

    private static Tokenizer MakeByteLevel(GgufVocabulary source, TokenTexts texts)
    {
        PieceScanner[] scanners = PatternCatalog.FindGguf(source.Pre)
            ?? throw Fault(source, "pre", $"is '{source.Pre}'; this pre-tokenizer is not supported");
        BpeModelBuilder builder = new(source.Path, byteLevel: true);
        AddTokens(source, texts, builder);
        for (int rank = 0; rank < source.Merges.Length; rank++)
        {
            byte[] pair = Encoding.UTF8.GetBytes(source.Merges[rank]);
            int space = pair.AsSpan().IndexOf((byte)' ');
            if (space < 0)
                throw Fault(source, "merges", $"[{rank}] is '{source.Merges[rank]}', not two tokens");
            builder.AddMerge(pair.AsSpan(0, space), pair.AsSpan(space + 1), rank);
        }
        BpeModel model = builder.Build(new ByteSymbols(builder.Pieces, default), IgnoresMerges(source.Pre));
        NormalizerStep[] normalizer = Normalizes(source.Pre) ? [new NfcStep()] : [];
        return Assemble(source, texts, normalizer, scanners, model, new DecoderRules(ByteLevel: true));
    }

    // SentencePiece joins the pair whose joint token scores best: a merge list in falling order of score.
    private static Tokenizer MakeSentencePiece(GgufVocabulary source, TokenTexts texts)
    {
        if (source.Scores.Length != source.Tokens.Length)
        {
            throw Fault(source, "scores",
                $"has {source.Scores.Length} entries for {source.Tokens.Length} tokens");
        }
        BpeModelBuilder builder = new(source.Path, byteLevel: false);
        AddTokens(source, texts, builder);
        SentencePieceMerges.Add(texts, source.Scores, builder);
        int? unknown = Array.IndexOf(source.TokenTypes, Unknown) is >= 0 and int id ? id : null;
        UnknownToken rest = new(unknown, Fuse: true);
        CharacterSymbols symbols = new(builder.Pieces, byteFallback: true, rest);
        BpeModel model = builder.Build(symbols, ignoreMerges: false);
        bool mayCut = !builder.MergesAcrossMarker && builder.Pieces.TryFind(MarkerScanner.Marker, out _);
        byte[] marker = MarkerScanner.Marker.ToArray();
        return Assemble(source, texts, [new PrependStep(marker), new ReplaceStep([(byte)' '], marker)],
            [mayCut ? new MarkerScanner(keepRuns: true) : new WholeScanner()], model,
            new DecoderRules(MarkerToSpace: true, ByteFallback: true, LeadingSpacesDropped: 1));
    }

    private static void AddTokens(GgufVocabulary source, TokenTexts texts, BpeModelBuilder builder)
    {
        builder.EnsureCapacity(texts.Count);
        for (int id = 0; id < texts.IdLimit; id++)
            builder.AddToken(texts.Text(id), id);
        if (source.BosId is { } bos && !texts.Has(bos))
            throw Fault(source, "bos_token_id", $"is {bos}, which is not a token");
        if (source.EosId is { } eos && !texts.Has(eos))
            throw Fault(source, "eos_token_id", $"is {eos}, which is not a token");
    }

    private static Tokenizer Assemble(
        GgufVocabulary source, TokenTexts texts, NormalizerStep[] normalizer, PieceScanner[] scanners,
        BpeModel model, DecoderRules rules)
    {
        List<AddedToken> added = [];
        for (int id = 0; id < source.TokenTypes.Length; id++)
        {
            if (IsAdded(source.TokenTypes[id]))
            {
                added.Add(new AddedToken(id, texts.Text(id).ToArray(), StripsLeft: false, StripsRight: false,
                    SingleWord: false, Normalized: false, Special: IsSpecial(source.TokenTypes[id])));
            }
        }
        string? Text(int? id) => id is { } known ? source.Tokens[known] : null;
        TextEncoder encoder = new(added, normalizer, metaspace: null, scanners, model);
        TokenFrame frame = new(source is { AddBos: true, BosId: { } bos } ? [bos] : [], []);
        return new Tokenizer(new TokenizerParts(texts, added, rules, encoder, frame,
            new SpecialTokens(Text(source.BosId), Text(source.EosId))));
    }

    private static CheckpointException Fault(GgufVocabulary source, string key, string problem) =>
        new(source.Path, $"tokenizer.ggml.{key} {problem}");
}
