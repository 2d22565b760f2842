using System.Text.Json;

namespace PdEngine.Tests;

/// <summary>OpenAI's chats and completions.</summary>
public sealed class HttpOpenAiTests
{
    private const string Tools =
        """[{"type":"function","function":{"name":"get_weather","parameters":{"type":"object"}}}]""";

    private static readonly string[] Script =
        ["Sure. ", "<tool_", "call>\n{\"name\": \"get_weather\", \"argu", "ments\": {\"city\": \"Paris\"}}",
            "\n</tool_call>"];

    private HttpRig _rig = null!;

    [OneTimeSetUp]
    public async Task Start() => _rig = await HttpRig.StartAsync();

    [OneTimeTearDown]
    public async Task End() => await _rig.DisposeAsync();

    [Test]
    public async Task A_chat_is_what_generate_makes_of_its_messages()
    {
        JsonElement chat = await _rig.PostAsync("/v1/chat/completions", """
            {"model":"any","messages":[{"role":"user","content":"hi"}],"max_completion_tokens":8,"seed":4,
             "temperature":0.9,"logprobs":true,"top_logprobs":2,"n":2}
            """);
        JsonElement plain = await _rig.PostAsync("/generate", """
            {"messages":[{"role":"user","content":"hi"}],"return_logprob":true,"top_logprobs_num":2,
             "sampling_params":{"max_new_tokens":8,"sampling_seed":4,"temperature":0.9,"n":2}}
            """);
        Assert.That(chat.GetProperty("object").GetString(), Is.EqualTo("chat.completion"));
        Assert.That(chat.GetProperty("model").GetString(), Is.EqualTo("any"));
        Assert.That(chat.GetProperty("choices").GetArrayLength(), Is.EqualTo(2));
        int made = 0;
        for (int i = 0; i < 2; i++)
        {
            JsonElement choice = chat.GetProperty("choices")[i];
            Assert.That(choice.GetProperty("index").GetInt32(), Is.EqualTo(i));
            Assert.That(choice.GetProperty("message").GetProperty("content").GetString(),
                Is.EqualTo(plain[i].GetProperty("text").GetString()));
            JsonElement meta = plain[i].GetProperty("meta_info");
            made += meta.GetProperty("completion_tokens").GetInt32();
            Assert.That(choice.GetProperty("logprobs").GetProperty("content").EnumerateArray()
                    .Select(entry => entry.GetProperty("logprob").GetRawText()),
                Is.EqualTo(meta.GetProperty("output_token_logprobs").EnumerateArray()
                    .Select(entry => entry[0].GetRawText())));
        }
        JsonElement usage = chat.GetProperty("usage");
        Assert.That(usage.GetProperty("completion_tokens").GetInt32(), Is.EqualTo(made));
        Assert.That(usage.GetProperty("prompt_tokens").GetInt32(),
            Is.EqualTo(plain[0].GetProperty("meta_info").GetProperty("prompt_tokens").GetInt32()));
    }

    [Test]
    public async Task A_streamed_chat_is_the_whole_one_in_deltas([Values(1, 3)] int n)
    {
        string body = $$"""
            {"messages":[{"role":"user","content":"tell"}],"max_tokens":20,"seed":4,"n":{{n}},
             "logprobs":true,"top_logprobs":1,"ignore_eos":true
            """;
        JsonElement whole = await _rig.PostAsync("/v1/chat/completions", body + "}");
        List<JsonElement> events = await _rig.StreamAsync("/v1/chat/completions",
            body + ""","stream":true,"stream_options":{"include_usage":true}}""");
        Assert.That(events[^1].GetProperty("choices").GetArrayLength(), Is.Zero);
        Assert.That(events[^1].GetProperty("usage").GetProperty("completion_tokens").GetInt32(),
            Is.EqualTo(20 * n));
        Assert.That(events[..^1].Select(one => one.GetProperty("usage").ValueKind),
            Has.All.EqualTo(JsonValueKind.Null));
        for (int i = 0; i < n; i++)
        {
            JsonElement[] own = [.. events[..^1].Select(one => one.GetProperty("choices")[0])
                .Where(choice => choice.GetProperty("index").GetInt32() == i)];
            JsonElement choice = whole.GetProperty("choices")[i];
            Assert.That(own[0].GetProperty("delta").GetProperty("role").GetString(), Is.EqualTo("assistant"));
            Assert.That(string.Concat(own.Select(Content)),
                Is.EqualTo(choice.GetProperty("message").GetProperty("content").GetString()));
            Assert.That(own.SelectMany(LogProbs), Is.EqualTo(LogProbs(choice)));
            Assert.That(own[..^1].Select(one => one.GetProperty("finish_reason").ValueKind),
                Has.All.EqualTo(JsonValueKind.Null));
            Assert.That(own[^1].GetProperty("finish_reason").GetString(), Is.EqualTo("length"));
        }
    }

    [Test]
    public async Task A_completion_takes_text_and_ids_and_lists_of_them()
    {
        JsonElement texts = await _rig.PostAsync("/v1/completions",
            """{"prompt":["ab","cd"],"max_tokens":4,"temperature":0,"logprobs":1}""");
        JsonElement ids = await _rig.PostAsync("/v1/completions",
            """{"prompt":[[99,100],[101,102]],"max_tokens":4,"temperature":0,"logprobs":1}""");
        Assert.That(ids.GetProperty("choices").GetRawText(),
            Is.EqualTo(texts.GetProperty("choices").GetRawText()));
        Assert.That(texts.GetProperty("usage").GetProperty("prompt_tokens").GetInt32(), Is.EqualTo(4));
        JsonElement one = await _rig.PostAsync("/v1/completions",
            """{"prompt":[99,100],"max_tokens":4,"temperature":0,"logprobs":1}""");
        Assert.That(one.GetProperty("choices")[0].GetRawText(),
            Is.EqualTo(texts.GetProperty("choices")[0].GetRawText()));
        List<JsonElement> events = await _rig.StreamAsync("/v1/completions",
            """{"prompt":"ab","max_tokens":4,"temperature":0,"stream":true}""");
        Assert.That(string.Concat(events.Select(
                one => one.GetProperty("choices")[0].GetProperty("text").GetString())),
            Is.EqualTo(texts.GetProperty("choices")[0].GetProperty("text").GetString()));
    }

    [Test]
    public async Task Without_a_bound_a_chat_may_fill_the_context_and_a_completion_has_16_tokens()
    {
        JsonElement chat = await _rig.PostAsync("/v1/chat/completions",
            """{"messages":[{"role":"user","content":"hi"}],"ignore_eos":true,"temperature":0}""");
        Assert.That(chat.GetProperty("usage").GetProperty("total_tokens").GetInt32(), Is.EqualTo(2048));
        JsonElement text = await _rig.PostAsync("/v1/completions", """{"prompt":"hi","ignore_eos":true}""");
        Assert.That(text.GetProperty("usage").GetProperty("completion_tokens").GetInt32(), Is.EqualTo(16));
    }

    [Test]
    public async Task A_tool_is_called_whole_and_streamed()
    {
        await using HttpRig rig = await HttpRig.StartAsync(folder: ScriptedModel.Folder(Script));
        string body = $$"""{"messages":[{"role":"user","content":"hi"}],"temperature":0,"tools":{{Tools}}""";
        JsonElement choice =
            (await rig.PostAsync("/v1/chat/completions", body + "}")).GetProperty("choices")[0];
        Assert.That(choice.GetProperty("finish_reason").GetString(), Is.EqualTo("tool_calls"));
        Assert.That(choice.GetProperty("message").GetProperty("content").GetString(), Is.EqualTo("Sure."));
        JsonElement call = choice.GetProperty("message").GetProperty("tool_calls")[0];
        Assert.That(call.GetProperty("function").GetProperty("name").GetString(), Is.EqualTo("get_weather"));
        Assert.That(call.GetProperty("function").GetProperty("arguments").GetString(),
            Is.EqualTo("""{"city": "Paris"}"""));
        List<JsonElement> events =
            await rig.StreamAsync("/v1/chat/completions", body + ""","stream":true}""");
        JsonElement[] choices = [.. events.Select(one => one.GetProperty("choices")[0])];
        Assert.That(string.Concat(choices.Select(Content)), Is.EqualTo("Sure."));
        Assert.That(choices[^1].GetProperty("finish_reason").GetString(), Is.EqualTo("tool_calls"));
        JsonElement[] calls = [.. choices.Select(one => one.GetProperty("delta"))
            .Where(delta => delta.TryGetProperty("tool_calls", out _))
            .Select(delta => delta.GetProperty("tool_calls")[0])];
        Assert.That(calls[0].GetProperty("function").GetProperty("name").GetString(),
            Is.EqualTo("get_weather"));
        Assert.That(string.Concat(calls.Select(
                one => one.GetProperty("function").GetProperty("arguments").GetString())),
            Is.EqualTo("""{"city": "Paris"}"""));
        JsonElement none = (await rig.PostAsync("/v1/chat/completions", body + ""","tool_choice":"none"}"""))
            .GetProperty("choices")[0];
        Assert.That(none.GetProperty("message").GetProperty("content").GetString(),
            Is.EqualTo(string.Concat(Script)));
        Assert.That(none.GetProperty("finish_reason").GetString(), Is.EqualTo("stop"));
    }

    [TestCase("\"response_format\":{\"type\":\"json_object\"}", "response_format")]
    [TestCase("\"response_format\":{\"json_schema\":{}}", "response_format")]
    [TestCase("\"response_format\":{\"type\":null}", "response_format")]
    [TestCase("\"tool_choice\":\"required\"", "tool_choice")]
    [TestCase("\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"f\"}}", "tool_choice")]
    [TestCase("\"n\":129", "n")]
    [TestCase("\"logprobs\":true,\"top_logprobs\":21", "top_logprobs")]
    [TestCase("\"top_logprobs\":2", "top_logprobs")]
    [TestCase("\"functions\":[{\"name\":\"f\"}]", "functions")]
    [TestCase("\"return_hidden_states\":true", "return_hidden_states")]
    [TestCase("\"lora_path\":\"x\"", "lora_path")]
    [TestCase("\"regex\":\"x\"", "regex")]
    [TestCase("\"reasoning_effort\":\"low\"", "reasoning_effort")]
    [TestCase("\"modalities\":[\"audio\"]", "modalities")]
    [TestCase("\"parallel_tool_calls\":false", "parallel_tool_calls")]
    [TestCase("\"temprature\":1", "temprature")]
    [TestCase("\"temperature\":-1", "temperature")]
    [TestCase("\"logit_bias\":{\"x\":1}", "logit_bias")]
    [TestCase("\"tools\":[{\"type\":\"function\"}]", "tools")]
    [TestCase("\"seed\":1.5", "seed")]
    [TestCase("\"stop\":[1]", "stop")]
    [TestCase("\"seed\":1,\"seed\":2", "seed")]
    [TestCase("\"stream_options\":{\"include_usage\":1},\"stream\":true", "include_usage")]
    public async Task What_would_change_the_answer_is_refused_by_name(string field, string param)
    {
        JsonElement error = await _rig.RefusedAsync("/v1/chat/completions",
            $$"""{"messages":[{"role":"user","content":"a"}],{{field}}}""");
        Assert.That(error.GetProperty("param").GetString(), Is.EqualTo(param));
        Assert.That(error.GetProperty("type").GetString(), Is.EqualTo("invalid_request_error"));
    }

    [TestCase("\"echo\":true", "echo")]
    [TestCase("\"suffix\":\"x\"", "suffix")]
    [TestCase("\"best_of\":2", "best_of")]
    [TestCase("\"logprobs\":21", "logprobs")]
    [TestCase("\"messages\":[]", "messages")]
    [TestCase("\"prompt\":[]", "prompt")]
    [TestCase("\"prompt\":null", "prompt")]
    [TestCase("\"prompt\":[\"a\",1]", "prompt")]
    public async Task A_completion_refuses_by_name_too(string field, string param)
    {
        JsonElement error = await _rig.RefusedAsync("/v1/completions", $$"""{"prompt":"a",{{field}}}""");
        Assert.That(error.GetProperty("param").GetString(), Is.EqualTo(param));
    }

    [TestCase("\"response_format\":{\"type\":\"text\"}")]
    [TestCase("\"tool_choice\":\"auto\",\"parallel_tool_calls\":true")]
    [TestCase("\"separate_reasoning\":true,\"stream_reasoning\":true,\"return_hidden_states\":false")]
    [TestCase("\"user\":\"u\",\"store\":false,\"metadata\":{},\"service_tier\":\"auto\"")]
    [TestCase("\"logit_bias\":{\"5\":-100},\"presence_penalty\":0.5,\"frequency_penalty\":0.5")]
    [TestCase("\"bootstrap_host\":\"h\",\"bootstrap_port\":1,\"bootstrap_room\":7")]
    public async Task What_changes_nothing_passes(string field) =>
        await _rig.PostAsync("/v1/chat/completions",
            $$"""{"messages":[{"role":"user","content":"a"}],"max_tokens":2,{{field}}}""");

    [Test]
    public async Task Arguments_of_earlier_calls_reach_the_template_as_objects()
    {
        const string Template = "{% for m in messages %}{% if m.tool_calls %}"
            + "{{ m.tool_calls[0].function.arguments | tojson }}{% endif %}{% endfor %}a:";
        await using HttpRig rig = await HttpRig.StartAsync(folder: EngineRig.Folder(template: Template));
        JsonElement answer = await rig.PostAsync("/v1/chat/completions", """
            {"max_tokens":1,"messages":[{"role":"user","content":"a"},{"role":"assistant","content":null,
             "tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{\"x\":1}"}}]}]}
            """);
        Assert.That(answer.GetProperty("usage").GetProperty("prompt_tokens").GetInt32(),
            Is.EqualTo("""{"x": 1}a:""".Length));
    }

    [Test]
    public async Task Tools_are_refused_where_the_template_would_drop_them()
    {
        const string Template = "{# tools #}tools {% for m in messages %}{{ m.content }}{% endfor %}";
        const string Start = """{"messages":[{"role":"user","content":"a"}],""";
        await using HttpRig rig = await HttpRig.StartAsync(folder: EngineRig.Folder(template: Template));
        foreach (string path in new[] { "/v1/chat/completions", "/generate" })
        {
            JsonElement error = await rig.RefusedAsync(path, $$"""{{Start}}"tools":{{Tools}}}""");
            Assert.That(error.GetProperty("param").GetString(), Is.EqualTo("tools"));
            Assert.That(error.GetProperty("message").GetString(), Does.Contain("takes no tools"));
        }
        foreach (string passes in new[] { $"\"tools\":{Tools},\"tool_choice\":\"none\"", "\"tools\":[]" })
            await rig.PostAsync("/v1/chat/completions", $$"""{{Start}}"max_tokens":1,{{passes}}}""");
    }

    private static string Content(JsonElement choice) =>
        choice.GetProperty("delta").TryGetProperty("content", out JsonElement content)
            ? content.GetString()!
            : "";

    private static string[] LogProbs(JsonElement choice) =>
        choice.GetProperty("logprobs").ValueKind == JsonValueKind.Null
            ? []
            : [.. choice.GetProperty("logprobs").GetProperty("content").EnumerateArray()
                .Select(entry => entry.GetRawText())];
}
