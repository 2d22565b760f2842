using System.Text;
using System.Text.Json.Nodes;

namespace PdEngine.Tests;

/// <summary>Small tokenizer.json files made on the spot, so that tests need no download.</summary>
internal static class SmallTokenizers
{
    private const string QwenPattern =
        @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|"
        + @"\s*[\r\n]+|\s+(?!\S)|\s+";

    private static readonly string[] ByteMerges =
    [
        "t h", "th e", "Ġ the", "i n", "a n", "an d", "Ġ and", "o n", "h e", "he l", "hel l", "hell o", "Ġ Ġ",
        "ĠĠ ĠĠ", "Ċ Ċ", "Ã ©", "ä ½", "ä½ ł", "å ¥", "å¥ ½", "ð Ł", "ðŁ ĺ", "r e", "w o", "l d", "Ġ wo",
        "Ġwo r", "Ġ wor", "Ġwor ld",
    ];

    private static readonly string[] TextMerges =
        ["▁ t", "h e", "▁t he", "i n", "▁ ▁", "▁▁ ▁▁", "l l", "he ll", "hell o", "▁ hello", "o n", "r e"];

    /// <summary>The GPT-2 byte alphabet.</summary>
    public static string[] Alphabet { get; } = MakeAlphabet();

    /// <summary>Byte-level BPE with Qwen's pattern, NFC and every kind of added token.</summary>
    public static JsonObject ByteLevel()
    {
        JsonObject vocabulary = [];
        foreach (string symbol in Alphabet)
            vocabulary[symbol] = vocabulary.Count;
        JsonArray merges = AddMerges(vocabulary, ByteMerges.Where(merge => merge != "Ġ wor"));
        int first = vocabulary.Count;
        return new JsonObject
        {
            ["version"] = "1.0",
            ["added_tokens"] = new JsonArray(
                Added(first, "<|end|>", "special"), Added(first + 1, "<|mask|>", "lstrip"),
                Added(first + 2, "<|r|>", "rstrip"), Added(first + 3, "word", "single_word"),
                Added(first + 4, "<ő>", "normalized"),
                Added(first + 5, "<|end|>>"), Added(first + 7, "naïve ü", "special")),
            ["normalizer"] = new JsonObject { ["type"] = "NFC" },
            ["pre_tokenizer"] = Sequence("pretokenizers", new JsonObject
            {
                ["type"] = "Split",
                ["pattern"] = new JsonObject { ["Regex"] = QwenPattern },
                ["behavior"] = "Isolated",
                ["invert"] = false,
            }, ByteLevelStep()),
            ["post_processor"] = Sequence("processors", ByteLevelStep(), Template("<|end|>", first)),
            ["decoder"] = ByteLevelStep(),
            ["model"] = Model(vocabulary, merges),
        };
    }

    /// <summary>Llama-2 style: markers for spaces, fallback to bytes.</summary>
    public static JsonObject SentencePiece(bool metaspace = false)
    {
        JsonObject vocabulary = new() { ["<unk>"] = 0, ["<s>"] = 1, ["</s>"] = 2 };
        for (int value = 0; value < 256; value++)
            vocabulary[$"<0x{value:X2}>"] = vocabulary.Count;
        foreach (string symbol in "▁|t|h|e|i|n|l|o|r|a|é|,|.|你".Split('|'))
            vocabulary[symbol] = vocabulary.Count;
        JsonObject model = Model(vocabulary, AddMerges(vocabulary, TextMerges));
        model["byte_fallback"] = true;
        model["unk_token"] = "<unk>";
        model["fuse_unk"] = true;
        JsonObject marker = Step("Metaspace");
        marker["replacement"] = "▁";
        marker["prepend_scheme"] = "first";
        return new JsonObject
        {
            ["added_tokens"] = new JsonArray(
                Added(0, "<unk>", "special"), Added(1, "<s>", "special"), Added(2, "</s>", "special")),
            ["normalizer"] = metaspace ? null : Sequence("normalizers",
                new JsonObject { ["type"] = "Prepend", ["prepend"] = "▁" }, Replace(" ", "▁")),
            ["pre_tokenizer"] = metaspace ? marker.DeepClone() : null,
            ["post_processor"] = Template("<s>", 1),
            ["decoder"] = metaspace ? marker : Sequence("decoders", Replace("▁", " "), Step("ByteFallback"),
                Step("Fuse"),
                new JsonObject { ["type"] = "Strip", ["content"] = " ", ["start"] = 1, ["stop"] = 0 }),
            ["model"] = model,
        };
    }

    public static byte[] Bytes(JsonNode json) => Encoding.UTF8.GetBytes(json.ToJsonString());

    public static Tokenizer Parse(JsonNode json) => Tokenizer.Parse(Bytes(json), null, "small.json");

    public static JsonObject Added(int id, string content, params string[] flags)
    {
        JsonObject token = new() { ["id"] = id, ["content"] = content };
        foreach (string flag in new[] { "single_word", "lstrip", "rstrip", "normalized", "special" })
            token[flag] = flags.Contains(flag);
        return token;
    }

    public static JsonObject ByteLevelStep(bool useRegex = false) =>
        new()
        {
            ["type"] = "ByteLevel", ["add_prefix_space"] = false, ["trim_offsets"] = true,
            ["use_regex"] = useRegex,
        };

    public static JsonObject Sequence(string members, params JsonNode[] steps) =>
        new() { ["type"] = "Sequence", [members] = new JsonArray(steps) };

    private static JsonObject Model(JsonObject vocabulary, JsonArray merges) =>
        new() { ["type"] = "BPE", ["vocab"] = vocabulary, ["merges"] = merges };

    private static JsonObject Step(string type) => new() { ["type"] = type };

    private static JsonObject Replace(string pattern, string content) =>
        new()
        {
            ["type"] = "Replace", ["pattern"] = new JsonObject { ["String"] = pattern },
            ["content"] = content,
        };

    private static JsonObject Template(string token, int id)
    {
        JsonObject special = new() { ["id"] = token, ["ids"] = new JsonArray(id) };
        return new JsonObject
        {
            ["type"] = "TemplateProcessing",
            ["single"] = new JsonArray(
                new JsonObject { ["SpecialToken"] = new JsonObject { ["id"] = token, ["type_id"] = 0 } },
                new JsonObject { ["Sequence"] = new JsonObject { ["id"] = "A", ["type_id"] = 0 } }),
            ["special_tokens"] = new JsonObject { [token] = special },
        };
    }

    private static JsonArray AddMerges(JsonObject vocabulary, IEnumerable<string> merges)
    {
        JsonArray list = [];
        foreach (string merge in merges)
        {
            string[] parts = merge.Split(' ');
            foreach (string token in new[] { parts[0], parts[1], parts[0] + parts[1] })
            {
                if (!vocabulary.ContainsKey(token))
                    vocabulary[token] = vocabulary.Count;
            }
            // Both spellings are in use.
            if (list.Count % 2 == 0)
                list.Add((JsonNode)merge);
            else
                list.Add((JsonNode)new JsonArray(parts[0], parts[1]));
        }
        return list;
    }

    private static string[] MakeAlphabet()
    {
        string[] alphabet = new string[256];
        int shifted = 0;
        for (int value = 0; value < 256; value++)
        {
            bool isPrintable = value is (>= 33 and <= 126) or (>= 161 and <= 172) or (>= 174 and <= 255);
            alphabet[value] = ((char)(isPrintable ? value : 256 + shifted++)).ToString();
        }
        return alphabet;
    }
}
