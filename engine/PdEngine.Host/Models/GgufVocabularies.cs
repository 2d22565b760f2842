using System.Text.Json;

namespace PdEngine.Host;

/// <summary>
/// Says a Hugging Face tokenizer in GGUF's own lists, for other programs; where they cannot say it to the
/// last token, there are none.
/// </summary>
internal static class GgufVocabularies
{
    private const int Normal = 1, Control = 3, UserDefined = 4, Unused = 5;

    /// <param name="path">Where the tokenizer comes from, for messages.</param>
    /// <param name="json">Content of its tokenizer.json.</param>
    /// <param name="original">What it means.</param>
    /// <param name="rows">Of the embedding; ids without a token get one that is never made.</param>
    public static GgufVocabulary? Make(string path, ReadOnlyMemory<byte> json, Tokenizer original, int rows)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(json);
            if (!IsByteLevel(document.RootElement) || original.VocabularySize > rows)
                return null;
            return Of(path, document.RootElement, original, rows);
        }
        catch (Exception fault) when (fault
            is JsonException or InvalidOperationException or KeyNotFoundException or CheckpointException)
        {
            return null;
        }
    }

    private static GgufVocabulary? Of(string path, JsonElement file, Tokenizer original, int rows)
    {
        JsonElement model = file.GetProperty("model");
        string?[] tokens = new string?[rows];
        int[] types = [.. Enumerable.Repeat(Normal, rows)];
        foreach (JsonProperty token in model.GetProperty("vocab").EnumerateObject())
            tokens[token.Value.GetInt32()] = token.Name;
        bool normalizes = Normalizes(file);
        foreach (JsonElement added in file.GetProperty("added_tokens").EnumerateArray())
        {
            // The lists have no word for these.
            if (Is(added, "lstrip") || Is(added, "rstrip") || Is(added, "single_word")
                || (normalizes && Is(added, "normalized")))
            {
                return null;
            }
            int id = added.GetProperty("id").GetInt32();
            tokens[id] = added.GetProperty("content").GetString();
            types[id] = added.GetProperty("special").GetBoolean() ? Control : UserDefined;
        }
        for (int id = 0; id < rows; id++)
        {
            if (tokens[id] is null)
                (tokens[id], types[id]) = ($"[PAD{id}]", Unused);
        }
        string[] merges = [.. model.GetProperty("merges").EnumerateArray().Select(MergeOf)];
        // What is put before a text tells more than the name of a role, which files may lack.
        int? framing = original.Encode("", addSpecialTokens: true) is [int only] ? only : null;
        foreach (string pre in PatternCatalog.GgufNames)
        {
            GgufVocabulary candidate = new(path, "gpt2", pre, tokens!, types, [], merges,
                framing ?? original.BosTokenId, original.EosTokenId, AddBos: framing is not null,
                ChatTemplate: null);
            if (TokenizerProof.FirstDifference(original, Tokenizer.FromGguf(candidate)) is null)
                return candidate;
        }
        return null;
    }

    private static string MergeOf(JsonElement merge) => merge.ValueKind == JsonValueKind.String
        ? merge.GetString()!
        : $"{merge[0].GetString()} {merge[1].GetString()}";

    /// <summary>Whether there is a normalizer; a chain of none is none.</summary>
    private static bool Normalizes(JsonElement file) =>
        file.TryGetProperty("normalizer", out JsonElement step) && step.ValueKind == JsonValueKind.Object
        && !(step.TryGetProperty("normalizers", out JsonElement steps) && steps.GetArrayLength() == 0);

    private static bool Is(JsonElement token, string flag) =>
        token.TryGetProperty(flag, out JsonElement value) && value.ValueKind == JsonValueKind.True;

    private static bool IsByteLevel(JsonElement file) =>
        file.TryGetProperty("pre_tokenizer", out JsonElement steps)
        && steps.GetRawText().Contains("\"ByteLevel\"", StringComparison.Ordinal);
}
