using System.Text;
using System.Text.Json.Nodes;

namespace PdEngine.Tests;

public sealed class TokenizerFileTests
{
    private static IEnumerable<TestCaseData> Faults()
    {
        static TestCaseData Case(string name, string message, Action<JsonObject> spoil) =>
            new TestCaseData(message, spoil).SetName($"Refused: {name}");

        yield return Case("no model", "'model'", json => json.Remove("model"));
        yield return Case("another model", "Unigram", json => json["model"]!["type"] = "Unigram");
        yield return Case("negative id", "no id", json => json["model"]!["vocab"]!["a"] = -1);
        yield return Case("fractional id", "no id", json => json["model"]!["vocab"]!["a"] = 1.5);
        yield return Case("enormous id", "does not fit", json => json["model"]!["vocab"]!["a"] = 1 << 30);
        yield return Case("shared id", "the id 7", json => json["model"]!["vocab"]!["zz"] = 7);
        yield return Case("unknown merge", "'qq'", json => AddMerge(json, "q q"));
        yield return Case("merge of three", "merges[", json => AddMerge(json, "a b c"));
        yield return Case("merge that is a number", "merges[", json => AddMerge(json, 3));
        yield return Case("merge of nothing", "empty token", json => AddMerge(json, " a"));
        yield return Case("list of tokens", "model.vocab", json => json["model"]!["vocab"] = new JsonArray());
        yield return Case("dropout", "dropout", json => json["model"]!["dropout"] = 0.1);
        yield return Case("suffix", "end_of_word", json => json["model"]!["end_of_word_suffix"] = "</w>");
        yield return Case("unknown token", "unk_token", json => json["model"]!["unk_token"] = "<none>");
        yield return Case("normalizer", "NFKC", json => json["normalizer"]!["type"] = "NFKC");
        yield return Case("pattern", @"\w+", json => Step(json)["pattern"]!["Regex"] = @"\w+");
        yield return Case("behavior", "Contiguous", json => Step(json)["behavior"] = "Contiguous");
        yield return Case("pre-tokenizer", "Whitespace", json => Step(json)["type"] = "Whitespace");
        yield return Case("no decoder", "decoder", json => json["decoder"] = null);
        yield return Case("decoder", "WordPiece", json => json["decoder"]!["type"] = "WordPiece");
        yield return Case("post-processor", "Bert", json => json["post_processor"]!["type"] = "Bert");
        yield return Case("added token twice", "repeats", json => Add(json, 900, "<|end|>"));
        yield return Case("added token on a taken id", "the id 5", json => Add(json, 5, "<new>"));
        yield return Case("added token with another id", "vocabulary gives", json => Add(json, 900, "the"));
        yield return Case("added token without content", "content", json => Add(json, 900, ""));
        yield return Case("number for a flag", "special", json => json["added_tokens"]![0]!["special"] = 1);
    }

    [TestCaseSource(nameof(Faults))]
    public void A_file_that_cannot_be_used_is_refused(string message, Action<JsonObject> spoil)
    {
        JsonObject json = SmallTokenizers.ByteLevel();
        spoil(json);
        CheckpointException refusal =
            Assert.Throws<CheckpointException>(() => SmallTokenizers.Parse(json))!;
        Assert.That(refusal.Message, Does.Contain(message).And.StartsWith("small.json: "));
    }

    [TestCase("")]
    [TestCase("null")]
    [TestCase("[]")]
    [TestCase("{")]
    [TestCase("{} x")]
    [TestCase("{\"model\": {}}")]
    [TestCase("{\"model\": 3}")]
    [TestCase("{\"model\": {\"vocab\": {\"a\": 0, \"a\": 1}, \"merges\": []}}")]
    [TestCase("{\"model\": {\"vocab\": {\"\\ud800\": 0}, \"merges\": []}}")]
    [TestCase("{\"model\": {}, \"model\": {}}")]
    public void What_is_no_tokenizer_is_refused(string json) =>
        Assert.Throws<CheckpointException>(
            () => Tokenizer.Parse(Encoding.UTF8.GetBytes(json), null, "small.json"));

    [Test]
    public void Deep_nesting_is_refused()
    {
        string json = "{\"normalizer\":" + new string('[', 100_000) + new string(']', 100_000) + "}";
        Assert.Throws<CheckpointException>(
            () => Tokenizer.Parse(Encoding.UTF8.GetBytes(json), null, "small.json"));
    }

    [Test]
    public void A_folder_without_a_tokenizer_is_refused() =>
        Assert.Throws<CheckpointException>(() => Tokenizer.Load(TestFiles.Scratch()));

    [Test]
    public void A_folder_is_read_with_its_config()
    {
        string folder = TestFiles.Scratch();
        byte[] json = SmallTokenizers.Bytes(SmallTokenizers.SentencePiece());
        File.WriteAllBytes(Path.Combine(folder, "tokenizer.json"), json);
        File.WriteAllText(Path.Combine(folder, "tokenizer_config.json"), """
            {"bos_token": "<s>", "eos_token": {"content": "</s>"}, "pad_token": null, "unk_token": "<unk>",
             "add_bos_token": false, "add_eos_token": true, "tokenizer_class": "LlamaTokenizer"}
            """);
        Tokenizer tokenizer = Tokenizer.Load(folder);
        Assert.That((tokenizer.BosToken, tokenizer.EosToken), Is.EqualTo(("<s>", "</s>")));
        Assert.That((tokenizer.BosTokenId, tokenizer.EosTokenId), Is.EqualTo((1, 2)));
        Assert.That(tokenizer.PadTokenId, Is.Null);
        Assert.That(tokenizer.UnknownToken, Is.EqualTo("<unk>"));
        int[] ids = tokenizer.Encode("the", addSpecialTokens: true);
        Assert.That(ids[0], Is.Not.EqualTo(1), "the config asks for no start token");
        Assert.That(ids[^1], Is.EqualTo(2), "the config asks for an end token");
    }

    [TestCase("[]")]
    [TestCase("{\"bos_token\": 3}")]
    [TestCase("{\"tokenizer_class\": \"LlamaTokenizer\", \"add_bos_token\": 1}")]
    public void A_config_that_cannot_be_used_is_refused(string config) =>
        Assert.Throws<CheckpointException>(() => Tokenizer.Parse(
            SmallTokenizers.Bytes(SmallTokenizers.ByteLevel()), Encoding.UTF8.GetBytes(config), "x.json"));

    private static JsonNode Step(JsonObject json) => json["pre_tokenizer"]!["pretokenizers"]![0]!;

    private static void AddMerge(JsonObject json, JsonNode merge) =>
        json["model"]!["merges"]!.AsArray().Add(merge);

    private static void Add(JsonObject json, int id, string content) =>
        json["added_tokens"]!.AsArray().Add((JsonNode)SmallTokenizers.Added(id, content));
}
