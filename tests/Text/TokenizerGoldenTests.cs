using System.Security.Cryptography;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using PdEngine.Host;

namespace PdEngine.Tests;

[Category("Goldens")]
public sealed class TokenizerGoldenTests
{
    private static IEnumerable<string> Names() =>
        TestFiles.HasGolden("tokenizers")
            ? Directory.GetFiles(TestFiles.Golden("tokenizers"), "*.json")
                .Select(file => Path.GetFileNameWithoutExtension(file)).Where(name => name != "inputs")
                .Order()
            : ["absent"];

    [TestCaseSource(nameof(Names))]
    public void Ids_and_texts_are_the_references(string name)
    {
        using JsonDocument golden = Open($"{name}.json");
        using JsonDocument inputs = Open("inputs.json");
        JsonElement root = golden.RootElement;
        Tokenizer tokenizer = Load(root);
        string[] texts = [.. inputs.RootElement.EnumerateArray().Select(row => row[1].GetString()!)];
        int[][] ids = [.. root.GetProperty("encode").EnumerateArray().Select(Ids)];
        Dictionary<int, string?> decoded = root.GetProperty("roundtrip_differs").EnumerateArray()
            .ToDictionary(row => row[0].GetInt32(), row => row[1].GetString());
        Assert.That(ids, Has.Length.EqualTo(texts.Length));
        Assert.Multiple(() =>
        {
            for (int row = 0; row < texts.Length; row++)
            {
                Assert.That(tokenizer.Encode(texts[row]), Is.EqualTo(ids[row]), $"encode row {row}");
                // A null stands for a text too long to be in the file; it differs from the input, no more is
                // known.
                string text = tokenizer.Decode(ids[row]);
                if (decoded.TryGetValue(row, out string? other) && other is null)
                    Assert.That(text, Is.Not.EqualTo(texts[row]), $"round trip of row {row}");
                else
                    Assert.That(text, Is.EqualTo(other ?? texts[row]), $"round trip of row {row}");
            }
            CheckVariants(root, tokenizer, texts);
            CheckDecoding(root, tokenizer);
        });
    }

    [TestCase("qwen3", "qwen2")]
    [TestCase("llama3_1", "llama-bpe")]
    [TestCase("deepseek_v3", "deepseek-v3")]
    [TestCase("gptoss", "gpt-4o")]
    [TestCase("gpt2", "gpt-2")]
    [TestCase("llama2", null)]
    [TestCase("smollm-like", null)]
    public void Gguf_lists_say_a_real_tokenizer_or_are_left_out(string name, string? pre)
    {
        using JsonDocument golden = Open($"{name}.json");
        (byte[] json, string path) = ContentOf(golden.RootElement);
        Tokenizer tokenizer = Tokenizer.Parse(json, null, path);
        GgufVocabulary? lists = GgufVocabularies.Make(path, json, tokenizer, tokenizer.VocabularySize + 3);
        Assert.That(lists?.Pre, Is.EqualTo(pre));
        if (lists is null)
            return;
        byte[] written = TokenizerFileWriter.Tokenizer(lists), config = TokenizerFileWriter.Config(lists);
        Tokenizer back = Tokenizer.Parse(written, config, "written");
        Assert.That(TokenizerProof.FirstDifference(tokenizer, back), Is.Null);
    }

    private static void CheckVariants(JsonElement root, Tokenizer tokenizer, string[] texts)
    {
        foreach (JsonElement row in root.GetProperty("encode_with_special").EnumerateArray())
        {
            int[] ids = tokenizer.Encode(texts[row[0].GetInt32()], addSpecialTokens: true);
            Assert.That(ids, Is.EqualTo(Ids(row[1])), $"with special tokens, row {row[0]}");
        }
        foreach (JsonElement row in root.GetProperty("encode_plain_added_tokens_off").EnumerateArray())
        {
            int[] ids = tokenizer.Encode(texts[row[0].GetInt32()], parseAddedTokens: false);
            Assert.That(ids, Is.EqualTo(Ids(row[1])), $"added tokens off, row {row[0]}");
        }
    }

    private static void CheckDecoding(JsonElement root, Tokenizer tokenizer)
    {
        int index = 0;
        foreach (JsonElement row in root.GetProperty("decode").EnumerateArray())
        {
            string what = $"decode row {index++}";
            int[] ids = Ids(row[0]);
            string text = row[2].GetString()!;
            Assert.That(tokenizer.Decode(ids, row[1].GetBoolean()), Is.EqualTo(text), what);
            TokenDecoder decoder = new(tokenizer, row[1].GetBoolean());
            string streamed = string.Concat(ids.Select(decoder.Append)) + decoder.Flush();
            Assert.That(streamed, Is.EqualTo(text), $"{what}, one id at a time");
        }
        int size = root.GetProperty("vocab_size").GetInt32();
        Assert.That(tokenizer.VocabularySize, Is.GreaterThanOrEqualTo(size));
    }

    private static int[] Ids(JsonElement list) => [.. list.EnumerateArray().Select(id => id.GetInt32())];

    private static JsonDocument Open(string file) =>
        JsonDocument.Parse(File.ReadAllBytes(TestFiles.Golden("tokenizers", file)));

    /// <summary>The tokenizer that a golden was made with, found through the package that it names.</summary>
    internal static Tokenizer Load(JsonElement golden)
    {
        (byte[] json, string path) = ContentOf(golden);
        // Parsed without the config beside it, as the reference was.
        return Tokenizer.Parse(json, null, path);
    }

    private static (byte[] Json, string Path) ContentOf(JsonElement golden)
    {
        string source = golden.GetProperty("source").GetString()!;
        int at = source.LastIndexOf('@');
        (string package, string version) = (source[..at], source[(at + 1)..]);
        string sha256 = golden.GetProperty("sha256").GetString()!;
        string file = golden.GetProperty("file").GetString()!;
        if (file.EndsWith("tokenizer.json", StringComparison.Ordinal))
        {
            byte[] json = File.ReadAllBytes(TestFiles.Npm(package, version, file));
            Assert.That(Sha256(json), Is.EqualTo(sha256), $"{source} is not what the golden was made with");
            return (json, file);
        }
        string encoder = File.ReadAllText(TestFiles.Npm(package, version, "encoder.json"));
        string merges = File.ReadAllText(TestFiles.Npm(package, version, "vocab.bpe"));
        byte[][] built = [Gpt2Json(encoder, merges, smollm: false), Gpt2Json(encoder, merges, smollm: true)];
        byte[]? match = built.FirstOrDefault(json => Sha256(json) == sha256);
        Assert.That(match, Is.Not.Null, $"no tokenizer.json built from {source} has the golden's sha256");
        return (match!, source);
    }

    private static string Sha256(byte[] content) => Convert.ToHexStringLower(SHA256.HashData(content));

    /// <summary>
    /// The tokenizer.json of GPT-2, or of its SmolLM-like variant, byte for byte as the goldens' tool.
    /// </summary>
    private static byte[] Gpt2Json(string encoder, string merges, bool smollm)
    {
        JsonArray added = [Special(50256, "<|endoftext|>", "special")];
        JsonNode split = SmallTokenizers.ByteLevelStep(useRegex: true);
        if (smollm)
        {
            added.Add((JsonNode)Special(50257, "<|im_start|>", "special"));
            added.Add((JsonNode)Special(50258, "<|im_end|>", "special"));
            added.Add((JsonNode)Special(50259, "<think>"));
            added.Add((JsonNode)Special(50260, "</think>"));
            added.Add((JsonNode)Special(50261, "<mask>", "special", "lstrip"));
            added.Add((JsonNode)Special(50262, "<rs>", "special", "rstrip"));
            added.Add((JsonNode)Special(50263, "qux", "single_word"));
            added.Add((JsonNode)Special(50264, "<Norm>", "normalized"));
            split = SmallTokenizers.Sequence("pretokenizers",
                new JsonObject { ["type"] = "Digits", ["individual_digits"] = true }, split);
        }
        IEnumerable<string> lines = merges.Split('\n').Skip(1).Where(line => line.Length > 0);
        JsonObject model = new()
        {
            ["type"] = "BPE", ["dropout"] = null, ["unk_token"] = null, ["continuing_subword_prefix"] = null,
            ["end_of_word_suffix"] = null, ["fuse_unk"] = false, ["byte_fallback"] = false,
            ["ignore_merges"] = false, ["vocab"] = OrderLikeJavaScript(encoder),
            ["merges"] = new JsonArray([.. lines.Select(line => (JsonNode)line.TrimEnd('\r'))]),
        };
        JsonObject file = new()
        {
            ["version"] = "1.0", ["truncation"] = null, ["padding"] = null, ["added_tokens"] = added,
            ["normalizer"] = null, ["pre_tokenizer"] = split,
            ["post_processor"] = SmallTokenizers.ByteLevelStep(useRegex: true),
            ["decoder"] = SmallTokenizers.ByteLevelStep(useRegex: true), ["model"] = model,
        };
        using MemoryStream stream = new();
        JsonWriterOptions plain = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
        using (Utf8JsonWriter writer = new(stream, plain))
            file.WriteTo(writer);
        return stream.ToArray();
    }

    // JavaScript, which built the reference's file, puts keys that are whole numbers first and in order.
    private static JsonObject OrderLikeJavaScript(string vocabulary)
    {
        List<KeyValuePair<string, JsonNode?>> entries = [.. JsonNode.Parse(vocabulary)!.AsObject()];
        static int? Number(string key) =>
            int.TryParse(key, out int number) && $"{number}" == key ? number : null;
        JsonObject ordered = [];
        foreach ((string key, JsonNode? id) in entries.OrderBy(entry => Number(entry.Key) ?? int.MaxValue))
            ordered[key] = id!.DeepClone();
        return ordered;
    }

    private static JsonObject Special(int id, string content, params string[] flags) =>
        SmallTokenizers.Added(id, content, flags);
}
