using System.Text;
using System.Text.Json;

namespace PdEngine.Host;

/// <summary>Writes a GGUF file's tokenizer as Hugging Face's tokenizer.json and its config.</summary>
internal static class TokenizerFileWriter
{
    private const int Unknown = 2;
    private const int MaxTokenLetters = 256;
    private const string Marker = "\u2581";

    public static byte[] Tokenizer(GgufVocabulary source) => Write(json =>
    {
        bool isByteLevel = source.Model == "gpt2";
        json.WriteString("version", "1.0");
        json.WriteNull("truncation");
        json.WriteNull("padding");
        WriteAdded(json, source);
        if (isByteLevel)
            WriteByteLevelSteps(json, source);
        else
            WriteSentencePieceSteps(json);
        WriteFrame(json, source);
        json.WriteStartObject("model");
        json.WriteString("type", "BPE");
        json.WriteNull("dropout");
        int unknown = Array.IndexOf(source.TokenTypes, Unknown);
        json.WriteString("unk_token", isByteLevel || unknown < 0 ? null : source.Tokens[unknown]);
        json.WriteNull("continuing_subword_prefix");
        json.WriteNull("end_of_word_suffix");
        json.WriteBoolean("fuse_unk", !isByteLevel);
        json.WriteBoolean("byte_fallback", !isByteLevel);
        json.WriteBoolean("ignore_merges", isByteLevel && GgufTokenizer.IgnoresMerges(source.Pre));
        json.WriteStartObject("vocab");
        for (int id = 0; id < source.Tokens.Length; id++)
            json.WriteNumber(source.Tokens[id], id);
        json.WriteEndObject();
        json.WriteStartArray("merges");
        foreach (string merge in isByteLevel ? source.Merges : Merges(source))
            json.WriteStringValue(merge);
        json.WriteEndArray();
        json.WriteEndObject();
    });

    public static byte[] Config(GgufVocabulary source) => Write(json =>
    {
        json.WriteString("tokenizer_class", "PreTrainedTokenizerFast");
        if (source.BosId is { } bos)
            json.WriteString("bos_token", source.Tokens[bos]);
        if (source.EosId is { } eos)
            json.WriteString("eos_token", source.Tokens[eos]);
        json.WriteBoolean("clean_up_tokenization_spaces", false);
        if (source.ChatTemplate is { } template)
            json.WriteString("chat_template", template);
    });

    private static byte[] Write(Action<Utf8JsonWriter> write)
    {
        using MemoryStream text = new();
        using (Utf8JsonWriter json = new(text, AnswerWriter.Style with { Indented = true }))
        {
            json.WriteStartObject();
            write(json);
            json.WriteEndObject();
        }
        return text.ToArray();
    }

    private static void WriteAdded(Utf8JsonWriter json, GgufVocabulary source)
    {
        json.WriteStartArray("added_tokens");
        for (int id = 0; id < source.TokenTypes.Length; id++)
        {
            if (!GgufTokenizer.IsAdded(source.TokenTypes[id]))
                continue;
            json.WriteStartObject();
            json.WriteNumber("id", id);
            json.WriteString("content", source.Tokens[id]);
            foreach (string flag in (string[])["single_word", "lstrip", "rstrip", "normalized"])
                json.WriteBoolean(flag, false);
            json.WriteBoolean("special", GgufTokenizer.IsSpecial(source.TokenTypes[id]));
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }

    private static void WriteByteLevelSteps(Utf8JsonWriter json, GgufVocabulary source)
    {
        json.WritePropertyName("normalizer");
        json.WriteRawValue(GgufTokenizer.Normalizes(source.Pre) ? """{"type":"NFC"}""" : "null");
        json.WriteStartObject("pre_tokenizer");
        json.WriteString("type", "Sequence");
        json.WriteStartArray("pretokenizers");
        foreach (string pattern in PatternCatalog.PatternsOfGguf(source.Pre)!)
        {
            json.WriteStartObject();
            json.WriteString("type", "Split");
            json.WriteStartObject("pattern");
            json.WriteString("Regex", pattern);
            json.WriteEndObject();
            json.WriteString("behavior", "Isolated");
            json.WriteBoolean("invert", false);
            json.WriteEndObject();
        }
        const string ByteLevel =
            """{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":false}""";
        json.WriteRawValue(ByteLevel);
        json.WriteEndArray();
        json.WriteEndObject();
        json.WritePropertyName("decoder");
        json.WriteRawValue(ByteLevel);
    }

    private static void WriteSentencePieceSteps(Utf8JsonWriter json)
    {
        json.WritePropertyName("normalizer");
        json.WriteRawValue($$"""
            {"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"{{Marker}}"},
            {"type":"Replace","pattern":{"String":" "},"content":"{{Marker}}"}]}
            """);
        json.WriteNull("pre_tokenizer");
        json.WritePropertyName("decoder");
        json.WriteRawValue($$"""
            {"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"{{Marker}}"},"content":" "},
            {"type":"ByteFallback"},{"type":"Fuse"},{"type":"Strip","content":" ","start":1,"stop":0}]}
            """);
    }

    private static void WriteFrame(Utf8JsonWriter json, GgufVocabulary source)
    {
        if (source is not { AddBos: true, BosId: { } id })
        {
            json.WriteNull("post_processor");
            return;
        }
        string bos = JsonEncodedText.Encode(source.Tokens[id], AnswerWriter.Style.Encoder).ToString();
        json.WritePropertyName("post_processor");
        json.WriteRawValue($$$$"""
            {"type":"TemplateProcessing",
            "single":[{"SpecialToken":{"id":"{{{{bos}}}}","type_id":0}},{"Sequence":{"id":"A","type_id":0}}],
            "pair":[{"SpecialToken":{"id":"{{{{bos}}}}","type_id":0}},{"Sequence":{"id":"A","type_id":0}},
            {"SpecialToken":{"id":"{{{{bos}}}}","type_id":1}},{"Sequence":{"id":"B","type_id":1}}],
            "special_tokens":{"{{{{bos}}}}":{"id":"{{{{bos}}}}","ids":[{{{{id}}}}],"tokens":["{{{{bos}}}}"]}}}
            """);
    }

    /// <summary>Every way to join two tokens into a third, best score first.</summary>
    private static IEnumerable<string> Merges(GgufVocabulary source)
    {
        HashSet<string> known = [.. source.Tokens];
        int[] order = [.. Enumerable.Range(0, source.Tokens.Length)];
        Array.Sort(order, (left, right) => source.Scores[right].CompareTo(source.Scores[left])
            is var byScore and not 0 ? byScore : left.CompareTo(right));
        foreach (int id in order)
        {
            string token = source.Tokens[id];
            if (Encoding.UTF8.GetByteCount(token) > MaxTokenLetters)
                continue;
            for (int at = 1; at < token.Length; at++)
            {
                if (!char.IsLowSurrogate(token[at]) && known.Contains(token[..at])
                    && known.Contains(token[at..]))
                {
                    yield return $"{token[..at]} {token[at..]}";
                }
            }
        }
    }
}
