using System.Text.Json;

namespace PdEngine.Bench;

/// <summary>A tokenizer.json of one token per byte, for models of random weights.</summary>
internal static class ByteTokenizer
{
    /// <summary>Ids 0 and 1 start and end a sequence; byte b is id b + 2.</summary>
    public static byte[] Json()
    {
        using MemoryStream stream = new();
        using (Utf8JsonWriter json = new(stream))
        {
            json.WriteStartObject();
            json.WriteString("version", "1.0");
            WriteAddedTokens(json, "<s>", "</s>");
            json.WriteNull("normalizer");
            WriteByteLevel(json, "pre_tokenizer");
            json.WriteNull("post_processor");
            WriteByteLevel(json, "decoder");
            json.WriteStartObject("model");
            json.WriteString("type", "BPE");
            json.WriteStartObject("vocab");
            int id = 2;
            foreach (char letter in Alphabet())
                json.WriteNumber(letter.ToString(), id++);
            json.WriteEndObject();
            json.WriteStartArray("merges");
            json.WriteEndArray();
            json.WriteEndObject();
            json.WriteEndObject();
        }
        return stream.ToArray();
    }

    private static void WriteAddedTokens(Utf8JsonWriter json, params ReadOnlySpan<string> contents)
    {
        json.WriteStartArray("added_tokens");
        for (int id = 0; id < contents.Length; id++)
        {
            json.WriteStartObject();
            json.WriteNumber("id", id);
            json.WriteString("content", contents[id]);
            foreach (string flag in new[] { "single_word", "lstrip", "rstrip", "normalized" })
                json.WriteBoolean(flag, false);
            json.WriteBoolean("special", true);
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }

    private static void WriteByteLevel(Utf8JsonWriter json, string name)
    {
        json.WriteStartObject(name);
        json.WriteString("type", "ByteLevel");
        json.WriteBoolean("add_prefix_space", false);
        json.WriteBoolean("trim_offsets", false);
        json.WriteBoolean("use_regex", false);
        json.WriteEndObject();
    }

    /// <summary>
    /// GPT-2's letter for each byte: itself where printable, else one above U+00FF, in order.
    /// </summary>
    private static IEnumerable<char> Alphabet()
    {
        int next = 256;
        for (int b = 0; b < 256; b++)
        {
            bool printable = b is (>= 33 and <= 126) or (>= 161 and <= 172) or (>= 174 and <= 255);
            yield return printable ? (char)b : (char)next++;
        }
    }
}
