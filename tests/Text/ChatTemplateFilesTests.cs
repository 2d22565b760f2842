using System.Text.Json;

namespace PdEngine.Tests;

[TestFixture]
internal sealed class ChatTemplateFilesTests
{
    [Test]
    public void A_folder_without_files_has_no_template() =>
        Assert.That(ChatTemplateFiles.Load(TestFiles.Scratch()), Is.Null);

    [TestCase("{}")]
    [TestCase("{\"chat_template\": null}")]
    public void A_config_without_template_has_none(string config) => Assert.That(Load(config), Is.Null);

    [Test]
    public void A_template_file_wins_over_the_config()
    {
        string folder = TestFiles.Scratch();
        File.WriteAllText(Path.Combine(folder, "chat_template.jinja"), "from the file\n");
        File.WriteAllText(
            Path.Combine(folder, "tokenizer_config.json"), "{\"chat_template\": \"from the config\"}");
        Assert.That(Render(ChatTemplateFiles.Load(folder)!, tools: null), Is.EqualTo("from the file"));
    }

    [Test]
    public void Named_templates_give_one_for_chats_with_tools()
    {
        ChatTemplate template = Load("""
            {"chat_template": [{"name": "tool_use", "template": "with {{ tools|length }}"},
             {"name": "default", "template": "plain"}, {"name": "rag", "template": "unused"}]}
            """)!;
        Assert.That(Render(template, tools: null), Is.EqualTo("plain"));
        Assert.That(Render(template, tools: "null"), Is.EqualTo("plain"));
        Assert.That(Render(template, tools: "[{}, {}]"), Is.EqualTo("with 2"));
    }

    [TestCase("[]", "must hold a JSON object")]
    [TestCase("{\"chat_template\": 5}", "must be a string or a list")]
    [TestCase("{\"chat_template\": [5]}", "has no 'name' and 'template'")]
    [TestCase("{\"chat_template\": [{\"name\": \"rag\", \"template\": \"\"}]}", "it has: rag")]
    [TestCase("{\"chat_template\": \"{% if %}\"}", "line 1")]
    [TestCase("{\"chat_template\": \"\\ud800\"}", "surrogate")]
    [TestCase("{\"chat_template\": ", "is not JSON")]
    public void A_malformed_config_is_refused_with_its_path(string config, string expected)
    {
        CheckpointException error = Assert.Throws<CheckpointException>(() => Load(config))!;
        Assert.That(error.Message, Does.Contain(expected));
        Assert.That(error.Path, Does.EndWith("tokenizer_config.json"));
    }

    private static ChatTemplate? Load(string config)
    {
        string folder = TestFiles.Scratch();
        File.WriteAllText(Path.Combine(folder, "tokenizer_config.json"), config);
        return ChatTemplateFiles.Load(folder);
    }

    private static string Render(ChatTemplate template, string? tools)
    {
        using JsonDocument messages = JsonDocument.Parse("[]");
        using JsonDocument list = JsonDocument.Parse(tools ?? "null");
        ChatTemplateOptions options = new() { Tools = tools is null ? null : list.RootElement };
        return template.Render(messages.RootElement, options);
    }
}
