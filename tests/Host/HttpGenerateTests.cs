using System.Text.Json;
using System.Text.Json.Nodes;

namespace PdEngine.Tests;

/// <summary>SGLang's <c>/generate</c>.</summary>
public sealed class HttpGenerateTests
{
    private static readonly string[] Lines =
    [
        """
        {"text":"hello","sampling_params":{"max_new_tokens":9},"return_logprob":true,"top_logprobs_num":2}
        """,
        """
        {"input_ids":[5,6,7],"sampling_params":{"max_new_tokens":9,"temperature":0.7,"sampling_seed":1,"n":3},
        "return_logprob":true,"logprob_start_len":0,"return_text_in_logprobs":true}
        """.ReplaceLineEndings(""),
        """{"text":"stop","sampling_params":{"max_new_tokens":64,"stop":["a","e"],"top_p":0.8}}""",
    ];

    [Test]
    public async Task The_same_lines_through_generate_give_the_same_digits()
    {
        (int exitCode, JsonElement[] batch, string error) = await PdEngineRun.BatchAsync(
            string.Join('\n', Lines));
        Assert.That(exitCode, Is.Zero, error);
        await using HttpRig rig = await HttpRig.StartAsync(folder: EngineRig.Folder());
        for (int i = 0; i < Lines.Length; i++)
        {
            JsonElement answer = await rig.PostAsync("/generate", Lines[i]);
            Assert.That(Made(answer), Is.EqualTo(Made(batch[i])), Lines[i]);
        }
    }

    [Test]
    public async Task A_stream_is_cumulative_and_ends_as_the_whole_answer(
        [Values] bool isDelta, [Values(1, 3)] int samples)
    {
        await using HttpRig rig = await HttpRig.StartAsync();
        string body = $$"""
            {"text":"hello",
            "sampling_params":{"max_new_tokens":40,"sampling_seed":5,"ignore_eos":true,"n":{{samples}}},
            "return_logprob":true,"logprob_start_len":0,"top_logprobs_num":2
            """;
        JsonElement whole = await rig.PostAsync("/generate", body + "}");
        JsonElement[] answers = samples == 1 ? [whole] : [.. whole.EnumerateArray()];
        List<JsonElement> events = await rig.StreamAsync("/generate",
            body + $", \"stream\":true,\"incremental_streaming_output\":{(isDelta ? "true" : "false")}}}");
        for (int i = 0; i < samples; i++)
        {
            JsonElement[] own = [.. events.Where(
                one => samples == 1 || one.GetProperty("index").GetInt32() == i)];
            JsonElement last = own[^1];
            Assert.That(End(last).GetProperty("type").GetString(), Is.EqualTo("length"));
            Assert.That(own[..^1].Select(one => End(one).ValueKind),
                Has.All.EqualTo(JsonValueKind.Null));
            if (isDelta)
                AssertParts(own, answers[i]);
            else
                AssertGrows(own, answers[i]);
        }
    }

    [Test]
    public async Task A_batch_is_answered_in_order_each_with_its_own_fields()
    {
        await using HttpRig rig = await HttpRig.StartAsync();
        JsonElement answers = await rig.PostAsync("/generate", """
            {"input_ids":[[5,6],[7]],"rid":["a","b"],"return_logprob":[true,false],
             "sampling_params":[{"max_new_tokens":3,"temperature":0},{"max_new_tokens":2,"temperature":0}]}
            """);
        Assert.That(answers.GetArrayLength(), Is.EqualTo(2));
        JsonElement alone = await rig.PostAsync("/generate",
            """{"input_ids":[7],"sampling_params":{"max_new_tokens":2,"temperature":0}}""");
        Assert.That(answers[1].GetProperty("output_ids").GetRawText(),
            Is.EqualTo(alone.GetProperty("output_ids").GetRawText()));
        Assert.That(answers[0].GetProperty("meta_info").GetProperty("id").GetString(), Is.EqualTo("a"));
        foreach ((JsonElement answer, bool hasLogProbs) in answers.EnumerateArray().Zip([true, false]))
        {
            Assert.That(answer.GetProperty("meta_info").TryGetProperty("output_token_logprobs", out _),
                Is.EqualTo(hasLogProbs));
        }
        JsonElement texts = await rig.PostAsync("/generate",
            """{"text":["ab","c","d"],"sampling_params":{"max_new_tokens":1,"n":2}}""");
        Assert.That(texts.GetArrayLength(), Is.EqualTo(6));
    }

    [TestCase("""{"text":5}""", "text")]
    [TestCase("""{"texts":"a"}""", "texts")]
    [TestCase("""{"text":"a","sampling_params":{"regex":"a*"}}""", "sampling_params.regex")]
    [TestCase("""{"text":"a","sampling_params":{"json_schema":"{}"}}""", "sampling_params.json_schema")]
    [TestCase("""{"text":"a","sampling_params":{"ebnf":"x"}}""", "sampling_params.ebnf")]
    [TestCase("""{"text":"a","sampling_params":{"n":129}}""", "n")]
    [TestCase("""{"text":"a","image_data":["x"]}""", "image_data")]
    [TestCase("""{"text":"a","lora_path":"x"}""", "lora_path")]
    [TestCase("""{"text":"a","return_hidden_states":true}""", "return_hidden_states")]
    [TestCase("""{"text":"a","return_routed_experts":true}""", "return_routed_experts")]
    [TestCase("""{"text":"a","response_format":{"type":"json_object"}}""", "response_format")]
    [TestCase("""{"text":"a","top_logprobs_num":65,"return_logprob":true}""", "top_logprobs_num")]
    [TestCase("""{"text":["a","b"],"rid":["x"]}""", "rid")]
    [TestCase("""{"text":[]}""", "text")]
    [TestCase("""{"input_ids":[[1],[999]]}""", "input_ids")]
    [TestCase("""{"input_ids":[[1],2]}""", "input_ids")]
    [TestCase("""{"text":"a","stream":"yes"}""", "stream")]
    [TestCase("""[1]""", "body")]
    [TestCase("""{"text":"a" """, "body")]
    public async Task What_would_change_the_answer_is_refused_by_name(string body, string field)
    {
        await using HttpRig rig = await HttpRig.StartAsync();
        JsonElement error = await rig.RefusedAsync("/generate", body);
        Assert.That(error.GetProperty("param").GetString(), Is.EqualTo(field));
        Assert.That(error.GetProperty("message").GetString(), Does.StartWith($"{field}: "));
        Assert.That(() => rig.Model.LiveRequestCount, Is.Zero.After(60_000, 5));
    }

    [Test]
    public async Task A_batch_over_the_cap_is_refused()
    {
        await using HttpRig rig = await HttpRig.StartAsync();
        string texts = string.Join(',', Enumerable.Repeat("\"a\"", 4097));
        JsonElement error = await rig.RefusedAsync("/generate", $"{{\"text\":[{texts}]}}");
        Assert.That(error.GetProperty("message").GetString(), Does.Contain("4096").And.Contain("4097"));
    }

    private static JsonElement End(JsonElement answer) =>
        answer.GetProperty("meta_info").GetProperty("finish_reason");

    /// <summary>What the engine made; neither times nor names.</summary>
    private static string Made(JsonElement answer)
    {
        if (answer.ValueKind == JsonValueKind.Array)
            return string.Join('\n', answer.EnumerateArray().Select(Made));
        JsonObject made = new() { ["text"] = answer.GetProperty("text").GetString() };
        made["output_ids"] = JsonNode.Parse(answer.GetProperty("output_ids").GetRawText());
        foreach (JsonProperty entry in answer.GetProperty("meta_info").EnumerateObject())
        {
            if (entry.Name.Contains("logprobs") || entry.Name is "completion_tokens" or "finish_reason")
                made[entry.Name] = JsonNode.Parse(entry.Value.GetRawText());
        }
        return made.ToJsonString();
    }

    private static void AssertGrows(JsonElement[] events, JsonElement whole)
    {
        Assert.That(Made(events[^1]), Is.EqualTo(Made(whole)));
        string text = "";
        foreach (JsonElement one in events)
        {
            Assert.That(one.GetProperty("text").GetString(), Does.StartWith(text));
            text = one.GetProperty("text").GetString()!;
            JsonElement meta = one.GetProperty("meta_info");
            int count = one.GetProperty("output_ids").GetArrayLength();
            Assert.That(meta.GetProperty("completion_tokens").GetInt32(), Is.EqualTo(count));
            foreach (string field in new[] { "output_token_logprobs", "output_top_logprobs" })
            {
                JsonElement[] all = [.. whole.GetProperty("meta_info").GetProperty(field).EnumerateArray()];
                Assert.That(meta.GetProperty(field).EnumerateArray().Select(entry => entry.GetRawText()),
                    Is.EqualTo(all[..count].Select(entry => entry.GetRawText())));
            }
            Assert.That(meta.GetProperty("input_token_logprobs").GetRawText(),
                Is.EqualTo(whole.GetProperty("meta_info").GetProperty("input_token_logprobs").GetRawText()));
        }
    }

    private static void AssertParts(JsonElement[] events, JsonElement whole)
    {
        Assert.That(string.Concat(events.Select(one => one.GetProperty("text").GetString())),
            Is.EqualTo(whole.GetProperty("text").GetString()));
        Assert.That(Joined(events.Select(one => one.GetProperty("output_ids"))),
            Is.EqualTo(Joined([whole.GetProperty("output_ids")])));
        foreach (string field in
            new[] { "output_token_logprobs", "output_top_logprobs", "input_token_logprobs" })
        {
            Assert.That(Joined(events.Select(one => one.GetProperty("meta_info").GetProperty(field))),
                Is.EqualTo(Joined([whole.GetProperty("meta_info").GetProperty(field)])));
        }
        Assert.That(events[^1].GetProperty("meta_info").GetProperty("completion_tokens").GetInt32(),
            Is.EqualTo(whole.GetProperty("output_ids").GetArrayLength()));
    }

    private static string Joined(IEnumerable<JsonElement> lists) => string.Join(
        ',', lists.SelectMany(list => list.EnumerateArray()).Select(entry => entry.GetRawText()));
}
