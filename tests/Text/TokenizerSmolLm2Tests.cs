using System.Text.Json;

namespace PdEngine.Tests;

[Category("Goldens")]
public sealed class TokenizerSmolLm2Tests
{
    [Test]
    public void Rendered_chats_have_the_references_ids()
    {
        using GgufCheckpoint checkpoint = GgufCheckpoint.Open(TestFiles.SmolLm2());
        Tokenizer tokenizer = Tokenizer.FromGguf(checkpoint.Vocabulary!);
        byte[] json = File.ReadAllBytes(TestFiles.Golden("smollm2", "golden.json"));
        using JsonDocument golden = JsonDocument.Parse(json);
        Assert.That(tokenizer.EosTokenId, Is.EqualTo(golden.RootElement.GetProperty("eos").GetInt32()));
        int checkedTexts = 0;
        foreach (JsonElement one in golden.RootElement.GetProperty("cases").EnumerateArray())
        {
            int[] ids = [.. one.GetProperty("input_ids").EnumerateArray().Select(id => id.GetInt32())];
            // A case without its text still has to survive the way there and back.
            string text = one.TryGetProperty("rendered", out JsonElement rendered)
                ? rendered.GetString()!
                : tokenizer.Decode(ids);
            Assert.That(tokenizer.Encode(text), Is.EqualTo(ids), $"case {checkedTexts}");
            Assert.That(tokenizer.Decode(ids), Is.EqualTo(text), $"case {checkedTexts}");
            checkedTexts++;
        }
        Assert.That(checkedTexts, Is.Positive);
    }
}
