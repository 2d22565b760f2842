using System.Text.Json.Nodes;
using PdEngine.Host;

namespace PdEngine.Tests;

public sealed class TokenizerGgufTests
{
    private const int Normal = 1;
    private const int Unknown = 2;
    private const int Control = 3;
    private const int UserDefined = 4;
    private const int Byte = 6;

    [TestCase("qwen2")]
    [TestCase("llama-bpe")]
    [TestCase("gpt-2")]
    [TestCase("smollm")]
    [TestCase("deepseek-v3")]
    [TestCase("gpt-4o")]
    [TestCase(null)]
    public void Byte_level_metadata_makes_a_tokenizer(string? pre)
    {
        Tokenizer tokenizer = Tokenizer.FromGguf(ByteLevel(pre));
        Assert.That(tokenizer.Encode("hello the world<|end|>").Select(tokenizer.TokenText),
            Is.EqualTo(new[] { "hello", " the", " world", "<|end|>" }));
        Assert.That((tokenizer.BosToken, tokenizer.EosToken), Is.EqualTo(((string?)null, "<|end|>")));
        int end = tokenizer.EosTokenId!.Value;
        Assert.That((tokenizer.IsSpecial(end), tokenizer.IsSpecial(end + 1)), Is.EqualTo((true, false)));
    }

    [Test]
    public void Scores_merge_as_a_merge_list_would()
    {
        Tokenizer listed = SmallTokenizers.Parse(SmallTokenizers.SentencePiece());
        Tokenizer scored = Tokenizer.FromGguf(SentencePiece(addBos: true));
        Random random = new(1);
        for (int round = 0; round < 500; round++)
        {
            string text = string.Concat(
                Enumerable.Range(0, random.Next(1, 120)).Select(_ => "thelno r\u6F22"[random.Next(9)]));
            Assert.That(scored.Encode(text), Is.EqualTo(listed.Encode(text)), $"round {round}: '{text}'");
            Assert.That(scored.Decode(scored.Encode(text)), Is.EqualTo(text), $"round {round}");
        }
        Assert.That(scored.Encode("the", addSpecialTokens: true)[0], Is.EqualTo(1));
    }

    [TestCase("qwen2")]
    [TestCase("llama-bpe")]
    [TestCase("gpt-2")]
    [TestCase("smollm")]
    [TestCase("deepseek-v3")]
    [TestCase("gpt-4o")]
    [TestCase("SentencePiece")]
    public void What_is_written_as_files_reads_the_same(string kind)
    {
        GgufVocabulary vocabulary = kind == "SentencePiece" ? SentencePiece(addBos: true) : ByteLevel(kind);
        Tokenizer wanted = Tokenizer.FromGguf(vocabulary);
        Tokenizer made = Tokenizer.Parse(TokenizerFileWriter.Tokenizer(vocabulary),
            TokenizerFileWriter.Config(vocabulary), "written");
        Assert.That(TokenizerProof.FirstDifference(wanted, made), Is.Null);
        Assert.That((made.BosToken, made.EosToken), Is.EqualTo((wanted.BosToken, wanted.EosToken)));
        GgufVocabulary other = vocabulary with { Tokens = [.. vocabulary.Tokens[..^1], "<other>"] };
        Assert.That(TokenizerProof.FirstDifference(wanted, Tokenizer.FromGguf(other)), Is.Not.Null);
    }

    [Test]
    public void Metadata_that_cannot_be_used_is_refused()
    {
        GgufVocabulary good = ByteLevel("qwen2");
        GgufVocabulary[] bad =
        [
            good with { Model = "t5" }, good with { Pre = "jais" }, good with { Tokens = [] },
            good with { TokenTypes = [Normal] }, good with { Merges = ["th"] },
            good with { Merges = ["no such"] }, good with { BosId = -1 }, good with { EosId = 1 << 20 },
            good with { Model = "llama" },
            good with { Tokens = [.. good.Tokens.Select(_ => "same")] },
        ];
        foreach (GgufVocabulary vocabulary in bad)
            Assert.Throws<CheckpointException>(() => Tokenizer.FromGguf(vocabulary), vocabulary.ToString());
    }

    private static GgufVocabulary ByteLevel(string? pre)
    {
        JsonNode model = SmallTokenizers.ByteLevel()["model"]!;
        string[] tokens = [.. Spellings(model), "<|end|>", "<think>"];
        int[] types = [.. Enumerable.Repeat(Normal, tokens.Length - 2), Control, UserDefined];
        string[] merges = [.. model["merges"]!.AsArray().Select(merge =>
            merge is JsonArray pair ? $"{pair[0]} {pair[1]}" : (string)merge!)];
        return new GgufVocabulary("small.gguf", "gpt2", pre, tokens, types, [], merges, BosId: null,
            EosId: tokens.Length - 2, AddBos: false, ChatTemplate: null);
    }

    private static GgufVocabulary SentencePiece(bool addBos)
    {
        JsonNode model = SmallTokenizers.SentencePiece()["model"]!;
        string[] tokens = Spellings(model);
        int[] types = [.. tokens.Select((token, id) => id switch
        {
            0 => Unknown,
            1 or 2 => Control,
            _ => token.StartsWith("<0x", StringComparison.Ordinal) ? Byte : Normal,
        })];
        // Tokens that merging makes come in the order of their merges, as SentencePiece scores them.
        float[] scores = [.. tokens.Select((_, id) => (float)-id)];
        return new GgufVocabulary("small.gguf", "llama", Pre: null, tokens, types, scores, Merges: [],
            BosId: 1, EosId: 2, addBos, ChatTemplate: null);
    }

    private static string[] Spellings(JsonNode model) =>
        [.. model["vocab"]!.AsObject().OrderBy(entry => (int)entry.Value!).Select(entry => entry.Key)];
}
