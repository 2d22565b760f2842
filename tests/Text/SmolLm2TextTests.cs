using System.Text.Json;

namespace PdEngine.Tests;

/// <summary>The real checkpoint's own tokenizer and chat template, out of its GGUF metadata.</summary>
[Category("Goldens")]
public sealed class SmolLm2TextTests
{
    private static readonly Lazy<(Tokenizer Tokenizer, ChatTemplate Template)> Text = new(() =>
    {
        using GgufCheckpoint checkpoint = GgufCheckpoint.Open(TestFiles.SmolLm2());
        GgufVocabulary vocabulary = checkpoint.Vocabulary!;
        ChatTemplate template = ChatTemplate.Parse(vocabulary.ChatTemplate!, vocabulary.Path);
        return (Tokenizer.FromGguf(vocabulary), template);
    });

    [Test]
    public void Every_chat_renders_and_tokenizes_as_the_golden_does()
    {
        int chats = 0;
        foreach (JsonElement golden in Cases())
        {
            if (!golden.TryGetProperty("messages", out JsonElement messages))
                continue;
            string rendered = Text.Value.Template.Render(messages, new ChatTemplateOptions
            {
                BosToken = Text.Value.Tokenizer.BosToken, EosToken = Text.Value.Tokenizer.EosToken,
            });
            Assert.That(rendered, Is.EqualTo(golden.GetProperty("rendered").GetString()));
            Assert.That(Text.Value.Tokenizer.Encode(rendered), Is.EqualTo(Ids(golden)), rendered);
            chats++;
        }
        Assert.That(chats, Is.GreaterThan(0));
    }

    [Test]
    public void Every_text_tokenizes_as_the_golden_does()
    {
        // The cut may fall inside a word, whose last tokens then differ from those of the whole text.
        const int cutTokens = 8;
        foreach (JsonElement golden in Cases())
        {
            if (golden.TryGetProperty("messages", out _))
                continue;
            int[] ids = Ids(golden);
            int[] again = Text.Value.Tokenizer.Encode(Text.Value.Tokenizer.Decode(ids));
            Assert.That(again[..(ids.Length - cutTokens)], Is.EqualTo(ids[..^cutTokens]));
        }
    }

    private static IEnumerable<JsonElement> Cases()
    {
        using JsonDocument golden = JsonDocument.Parse(
            File.ReadAllBytes(TestFiles.Golden("smollm2", "golden.json")));
        foreach (JsonElement element in golden.RootElement.GetProperty("cases").EnumerateArray())
            yield return element.Clone();
    }

    private static int[] Ids(JsonElement golden) =>
        [.. golden.GetProperty("input_ids").EnumerateArray().Select(id => id.GetInt32())];
}
