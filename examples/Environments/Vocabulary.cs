using System.Text.Json;

namespace PdEngine.Examples;

/// <summary>
/// The tokens of pd-tiny: four for the shape of a chat, every printable ASCII character, the newline, and the
/// few words of the guessing game.
/// </summary>
public static class Vocabulary
{
    /// <summary>What no token stands for.</summary>
    public const int Unknown = 0;

    /// <summary>Begins a user's message.</summary>
    public const int User = 1;

    /// <summary>Begins an answer.</summary>
    public const int Assistant = 2;

    /// <summary>Ends a message or an answer.</summary>
    public const int End = 3;

    /// <summary>Tokens there are.</summary>
    public const int Count = FirstWord + 4;

    private const int FirstCharacter = 4;
    private const char Space = ' ';
    private const char LastCharacter = '~';
    private const int NewLine = FirstCharacter + LastCharacter - Space + 1;
    private const int FirstWord = NewLine + 1;

    private static readonly string[] Marks = ["<unk>", "<|user|>", "<|assistant|>", "<|end|>"];
    private static readonly string[] Words = ["higher", "lower", "correct", "guess"];

    /// <summary>Renders messages as <see cref="Ask"/> does.</summary>
    public const string ChatTemplate =
        "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}<|end|>{% endfor %}"
        + "{% if add_generation_prompt %}<|assistant|>{% endif %}";

    /// <summary>A user's message and the start of the answer.</summary>
    public static int[] Ask(string text) => [User, .. Encode(text), End, Assistant];

    /// <summary>What an answer is made of.</summary>
    public static int[] Answer(string text) => [.. Encode(text), End];

    /// <summary>Text to tokens, as the tokenizer file defines it; words first.</summary>
    public static List<int> Encode(string text)
    {
        List<int> tokens = [];
        for (int at = 0; at < text.Length;)
        {
            int word = Array.FindIndex(
                Words, candidate => string.CompareOrdinal(text, at, candidate, 0, candidate.Length) == 0);
            tokens.Add(word >= 0 ? FirstWord + word : Of(text[at]));
            at += word >= 0 ? Words[word].Length : 1;
        }
        return tokens;
    }

    /// <summary>The whole number that an answer is, where it is one of at most three digits.</summary>
    public static int? Number(ReadOnlySpan<int> answer)
    {
        if (answer.Length is < 2 or > 4 || answer[^1] != End)
            return null;
        int value = 0;
        foreach (int token in answer[..^1])
        {
            int digit = token - Of('0');
            if (digit is < 0 or > 9)
                return null;
            value = (value * 10) + digit;
        }
        return value;
    }

    /// <summary>tokenizer.json, in Hugging Face's format.</summary>
    public static void WriteTokenizer(Stream stream)
    {
        using Utf8JsonWriter json = new(stream, new JsonWriterOptions { Indented = true });
        json.WriteStartObject();
        json.WriteString("version", "1.0");
        json.WriteNull("truncation");
        json.WriteNull("padding");
        json.WriteStartArray("added_tokens");
        for (int id = 0; id < Marks.Length; id++)
            WriteAdded(json, id, Marks[id], isSpecial: true);
        for (int word = 0; word < Words.Length; word++)
            WriteAdded(json, FirstWord + word, Words[word], isSpecial: false);
        json.WriteEndArray();
        json.WriteNull("normalizer");
        json.WriteNull("pre_tokenizer");
        json.WriteNull("post_processor");
        json.WriteStartObject("decoder");
        json.WriteString("type", "Fuse");
        json.WriteEndObject();
        WriteModel(json);
        json.WriteEndObject();
    }

    /// <summary>tokenizer_config.json: the chat template and what ends an answer.</summary>
    public static void WriteTokenizerConfig(Stream stream)
    {
        using Utf8JsonWriter json = new(stream, new JsonWriterOptions { Indented = true });
        json.WriteStartObject();
        json.WriteString("tokenizer_class", "PreTrainedTokenizerFast");
        json.WriteString("eos_token", Marks[End]);
        json.WriteString("unk_token", Marks[Unknown]);
        json.WriteString("chat_template", ChatTemplate);
        json.WriteEndObject();
    }

    private static int Of(char character) => character switch
    {
        '\n' => NewLine,
        >= Space and <= LastCharacter => FirstCharacter + character - Space,
        _ => Unknown,
    };

    private static void WriteModel(Utf8JsonWriter json)
    {
        json.WriteStartObject("model");
        json.WriteString("type", "BPE");
        json.WriteNull("dropout");
        json.WriteString("unk_token", Marks[Unknown]);
        json.WriteNull("continuing_subword_prefix");
        json.WriteNull("end_of_word_suffix");
        json.WriteBoolean("fuse_unk", false);
        json.WriteBoolean("byte_fallback", false);
        json.WriteStartObject("vocab");
        for (int id = 0; id < Marks.Length; id++)
            json.WriteNumber(Marks[id], id);
        for (char character = Space; character <= LastCharacter; character++)
            json.WriteNumber(character.ToString(), Of(character));
        json.WriteNumber("\n", NewLine);
        json.WriteEndObject();
        json.WriteStartArray("merges");
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void WriteAdded(Utf8JsonWriter json, int id, string content, bool isSpecial)
    {
        json.WriteStartObject();
        json.WriteNumber("id", id);
        json.WriteString("content", content);
        json.WriteBoolean("single_word", false);
        json.WriteBoolean("lstrip", false);
        json.WriteBoolean("rstrip", false);
        json.WriteBoolean("normalized", false);
        json.WriteBoolean("special", isSpecial);
        json.WriteEndObject();
    }
}
