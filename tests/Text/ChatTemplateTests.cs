using System.Text.Json;

namespace PdEngine.Tests;

[TestFixture]
internal sealed class ChatTemplateTests
{
    private static readonly JsonElement Recorded = JsonDocument.Parse(
        File.ReadAllText(
            Path.Combine(TestFiles.Root, "tests", "Text", "ChatTemplateCases.json"))).RootElement;

    [Test]
    public void Every_recorded_template_renders_as_in_jinja2()
    {
        ChatTemplateOptions options = new()
        {
            Extra = Recorded.GetProperty("variables"), Clock = new FixedClock(
                new(2024, 7, 6, 5, 4, 3, TimeSpan.Zero)),
        };
        List<string> wrong = [];
        foreach (JsonElement expected in Recorded.GetProperty("cases").EnumerateArray())
        {
            string template = expected.GetProperty("template").GetString()!;
            if (Difference(template, EmptyMessages, options, expected) is { } difference)
                wrong.Add($"{template}\n{difference}");
        }
        Assert.That(wrong, Is.Empty, string.Join("\n\n", wrong));
    }

    [Test]
    public void Templates_of_known_forms_render_chats_as_in_jinja2()
    {
        List<string> wrong = [];
        foreach (JsonElement expected in Recorded.GetProperty("chats").EnumerateArray())
        {
            string file = expected.GetProperty("file").GetString()!;
            string source = File.ReadAllText(
                Path.Combine(TestFiles.Root, "tests", "Text", "ChatTemplates", file));
            int index = expected.GetProperty("chat").GetInt32();
            JsonElement chat = Recorded.GetProperty("chat")[index];
            ChatTemplateOptions options = new()
            {
                BosToken = "<s>",
                EosToken = "</s>",
                Tools = chat.TryGetProperty("tools", out JsonElement tools) ? tools : null,
                AddGenerationPrompt = !chat.TryGetProperty("add_generation_prompt", out JsonElement add)
                    || add.GetBoolean(),
                Clock = new FixedClock(new(2024, 7, 6, 5, 4, 3, TimeSpan.Zero)),
            };
            if (Difference(source, chat.GetProperty("messages"), options, expected) is { } difference)
                wrong.Add($"{file}, chat {index}\n{difference}");
        }
        Assert.That(wrong, Is.Empty, string.Join("\n\n", wrong));
    }

    [Test]
    [Category("Goldens")]
    public void Every_golden_chat_renders_byte_for_byte()
    {
        using JsonDocument conversations = Read(TestFiles.Golden("chat", "conversations.json"));
        using JsonDocument rendered = Read(TestFiles.Golden("chat", "rendered.json"));
        List<string> wrong = [];
        int compared = 0;
        foreach (JsonProperty model in rendered.RootElement.EnumerateObject())
        {
            ChatTemplate template = GoldenTemplate(model);
            foreach (JsonProperty expected in model.Value.GetProperty("rendered").EnumerateObject())
            {
                JsonElement conversation = conversations.RootElement.GetProperty(
                    "conversations").EnumerateArray()
                    .Single(candidate => candidate.GetProperty("name").GetString() == expected.Name);
                string text = template.Render(
                    conversation.GetProperty("messages"), GoldenOptions(model.Value, conversation));
                compared++;
                if (text != expected.Value.GetString())
                    wrong.Add(
                        $"{model.Name}, {expected.Name}:\n{text}\nexpected:\n{expected.Value.GetString()}");
            }
        }
        Assert.That(wrong, Is.Empty, string.Join("\n\n", wrong));
        Assert.That(compared, Is.Positive);
    }

    [Test]
    public void A_refusal_of_the_template_is_the_requests_error()
    {
        ChatTemplate template = ChatTemplate.Parse("{{ raise_exception('roles must alternate') }}", "t");
        RequestException error = Assert.Throws<RequestException>(() => template.Render(EmptyMessages))!;
        Assert.That(error.Field, Is.EqualTo("messages"));
        Assert.That(error.Message, Is.EqualTo("messages: roles must alternate"));
    }

    [Test]
    public void A_failure_names_the_line_of_the_template()
    {
        ChatTemplate template = ChatTemplate.Parse("a\nb\n{{ nothing.at_all }}\n", "t");
        RequestException error = Assert.Throws<RequestException>(() => template.Render(EmptyMessages))!;
        Assert.That(error.Message, Does.Contain("line 3").And.Contain("'nothing' is undefined"));
    }

    [TestCase("a\nb\n{% if x %}\nc", 4)]
    [TestCase("a\n{{ x | unheard_of }}", 2)]
    [TestCase("{# one\n two #}\n{{ 'x\ny' }}\n{% for %}", 5)]
    [TestCase("\n\n{%- raw %}\n\n{% endraw %}\n{{ ( }}", 6)]
    [TestCase("a \n\n {%- if x -%} \n\n {{ ] }}", 5)]
    public void A_syntax_error_names_file_and_line(string source, int line)
    {
        CheckpointException error = Assert.Throws<CheckpointException>(
            () => ChatTemplate.Parse(source, "some/file"))!;
        Assert.That(error.Path, Is.EqualTo("some/file"));
        Assert.That(error.Message, Does.Contain($"line {line}:"));
    }

    [TestCase("{}", "must be a JSON array")]
    [TestCase("[1]", "message 0 must be a JSON object")]
    [TestCase("[{\"role\":\"user\",\"content\":\"a\"},{\"content\":\"b\"}]", "message 1 has no 'role'")]
    [TestCase("[{\"role\":\"user\",\"content\":5}]", "content of message 0")]
    [TestCase("[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":{}}]}]", "image_url")]
    [TestCase("[{\"role\":\"user\",\"content\":[{\"type\":\"text\"}]}]", "no 'text'")]
    [TestCase("[{\"role\":\"user\",\"content\":[\"a\"]}]", "part 0")]
    [TestCase("[{\"role\":\"user\",\"content\":\"\\ud800\"}]", "surrogate")]
    public void Malformed_messages_are_refused_with_their_place(string messages, string expected)
    {
        ChatTemplate template = ChatTemplate.Parse("{{ messages }}", "t");
        RequestException error = Assert.Throws<RequestException>(() => template.Render(Json(messages)))!;
        Assert.That(error.Message, Does.StartWith("messages").And.Contain(expected));
    }

    [Test]
    public void Text_parts_become_one_text()
    {
        ChatTemplate template = ChatTemplate.Parse("{{ messages[0].content }}", "t");
        JsonElement messages = Json(
            """[{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}]""");
        Assert.That(template.Render(messages), Is.EqualTo("a b"));
    }

    [TestCase("{{ 'x' in messages[0].content }}", "False")]
    [TestCase("{{ messages[0].content is none }}", "True")]
    [TestCase("{% set content = messages[0]['content'] %}{{ content is not none }}", "False")]
    [TestCase("{{ messages[0]['content'] == none }}", "True")]
    public void Null_content_is_empty_text_unless_the_template_asks_for_it(string source, string expected)
    {
        JsonElement messages = Json("""[{"role":"assistant","content":null}]""");
        Assert.That(ChatTemplate.Parse(source, "t").Render(messages), Is.EqualTo(expected));
    }

    [Test]
    public void Further_variables_win_over_tokens_but_not_over_fields()
    {
        ChatTemplate template = ChatTemplate.Parse(
            "{{ bos_token }}{{ enable_thinking }}{{ pad_token is defined }}", "t");
        ChatTemplateOptions options = new(
            ) { BosToken = "<s>", Extra = Json("{\"enable_thinking\": false}") };
        Assert.That(template.Render(EmptyMessages, options), Is.EqualTo("<s>FalseFalse"));
        options = options with { Extra = Json("{\"bos_token\": \"B\", \"enable_thinking\": true}") };
        Assert.That(template.Render(EmptyMessages, options), Is.EqualTo("BTrueFalse"));
        foreach (string taken in new[] { "messages", "tools", "documents", "add_generation_prompt" })
        {
            ChatTemplateOptions clashing = new() { Extra = Json($"{{\"{taken}\": []}}") };
            Assert.That(() => template.Render(EmptyMessages, clashing), Throws.TypeOf<RequestException>());
        }
    }

    [Test]
    public void A_template_renders_the_same_from_many_threads()
    {
        ChatTemplate template = ChatTemplate.Parse(
            "{% set ns = namespace(n=0) %}"
            + "{% for m in messages %}{% set ns.n = ns.n + 1 %}{{ m.content }}{% endfor %}{{ ns.n }}",
            "t");
        JsonElement messages = Json("""[{"role":"user","content":"a"},{"role":"user","content":"b"}]""");
        string[] rendered = new string[64];
        Parallel.For(0, rendered.Length, index => rendered[index] = template.Render(messages));
        Assert.That(rendered, Is.All.EqualTo("ab2"));
    }

    private static JsonElement EmptyMessages => Json("[]");

    private static JsonElement Json(string text) => JsonDocument.Parse(text).RootElement;

    private static JsonDocument Read(string path) => JsonDocument.Parse(File.ReadAllText(path));

    private static string? Difference(
        string source, JsonElement messages, ChatTemplateOptions options, JsonElement expected)
    {
        try
        {
            string text = ChatTemplate.Parse(source, "case").Render(messages, options);
            if (!expected.TryGetProperty("rendered", out JsonElement rendered))
                return $"rendered '{text}' but jinja2 fails: {expected.GetProperty("fails").GetString()}";
            return text == rendered.GetString()
                ? null
                : $"rendered '{text}'\nexpected '{rendered.GetString()}'";
        }
        catch (PdEngineException error)
        {
            if (expected.TryGetProperty("rendered", out JsonElement rendered))
                return $"failed with: {error.Message}\nexpected '{rendered.GetString()}'";
            const string Refusal = "TemplateError: ";
            string fails = expected.GetProperty("fails").GetString()!;
            bool isRefusal = fails.StartsWith(Refusal, StringComparison.Ordinal);
            return !isRefusal || error.Message == $"messages: {fails[Refusal.Length..]}"
                ? null
                : $"failed with: {error.Message}\nexpected: {fails}";
        }
    }

    private static ChatTemplate GoldenTemplate(JsonProperty model)
    {
        if (model.Value.TryGetProperty("template", out JsonElement inline))
            return ChatTemplate.Parse(inline.GetString()!, model.Name);
        string[] source = model.Value.GetProperty("source").GetString()!.Split(' ');
        int version = source[0].LastIndexOf('@');
        string config = TestFiles.Npm(source[0][..version], source[0][(version + 1)..], source[1]);
        return ChatTemplateFiles.Load(Path.GetDirectoryName(config)!)!;
    }

    private static ChatTemplateOptions GoldenOptions(JsonElement model, JsonElement conversation) => new()
    {
        BosToken = model.GetProperty("bos_token").GetString(),
        EosToken = model.GetProperty("eos_token").GetString(),
        AddGenerationPrompt = conversation.GetProperty("add_generation_prompt").GetBoolean(),
        Tools = conversation.TryGetProperty("tools", out JsonElement tools) ? tools : null,
        Extra = conversation.TryGetProperty("extra", out JsonElement extra) ? extra : null,
    };

    private sealed class FixedClock(DateTimeOffset now) : TimeProvider
    {
        public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;

        public override DateTimeOffset GetUtcNow() => now;
    }
}
