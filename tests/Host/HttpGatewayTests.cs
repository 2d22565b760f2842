using System.Text.Json;

namespace PdEngine.Tests;

/// <summary>What SGLang's gateway sends a worker, and what slime and Miles read of an answer.</summary>
public sealed class HttpGatewayTests
{
    [TestCase("regular-worker-requests.jsonl")]
    [TestCase("pd-worker-requests.jsonl")]
    public async Task Every_request_of_the_gateway_is_answered_as_it_reads_it(string file)
    {
        string path = TestFiles.Golden("gateway", file);
        await using HttpRig rig = await HttpRig.StartAsync();
        int count = 0;
        foreach (string line in File.ReadLines(path))
        {
            JsonElement sent = PdEngineRun.Json(line);
            using HttpRequestMessage request = ToRequest(sent);
            (int status, string text, _) = await rig.SendAsync(request);
            Assert.That(status, Is.EqualTo(200), $"{line}\n{text}");
            AssertTakenUp(sent, text);
            count++;
        }
        Assert.That(count, Is.GreaterThan(10));
    }

    [Test]
    public async Task The_fields_that_trainers_read_are_there()
    {
        await using HttpRig rig = await HttpRig.StartAsync();
        JsonElement answer = await rig.PostAsync("/generate", """
            {"input_ids":[5,6,7],"return_logprob":true,"stream":false,"return_routed_experts":false,
             "sampling_params":{"temperature":1.0,"top_p":1.0,"top_k":-1,"max_new_tokens":6,"stop":null,
             "stop_token_ids":null,"skip_special_tokens":false,"no_stop_trim":true,
             "spaces_between_special_tokens":false,"sampling_seed":3}}
            """);
        JsonElement meta = answer.GetProperty("meta_info");
        foreach (string field in new[]
        {
            "id", "finish_reason", "output_token_logprobs", "input_token_logprobs", "prompt_tokens",
            "completion_tokens", "cached_tokens", "weight_version", "queue_time", "e2e_latency",
            "decode_throughput", "pd_prefill_bootstrap_queue_duration", "pd_prefill_forward_duration",
            "pd_prefill_transfer_queue_duration", "pd_decode_alloc_wait_duration",
            "pd_decode_transfer_duration", "pd_decode_forward_duration", "pd_prefill_retry_count",
        })
        {
            Assert.That(meta.TryGetProperty(field, out _), Is.True, field);
        }
        Assert.That(meta.GetProperty("output_token_logprobs").GetArrayLength(),
            Is.EqualTo(answer.GetProperty("output_ids").GetArrayLength()));
        JsonElement facts = await rig.GetAsync("/server_info");
        Assert.That(facts.GetProperty("disaggregation_mode").GetString(), Is.EqualTo("null"));
        foreach (string field in new[] { "num_gpus", "tp_size", "pp_size", "dp_size" })
            Assert.That(facts.GetProperty(field).GetInt32(), Is.EqualTo(1), field);
        Assert.That(facts.GetProperty("enable_memory_saver").GetBoolean(), Is.True);
    }

    [Test]
    public async Task A_session_of_the_gateways_header_reaches_the_router()
    {
        await using HttpRig rig = await HttpRig.StartAsync();
        using HttpRequestMessage request = new(HttpMethod.Post, "/generate")
        {
            Content = HttpRig.Json("""{"input_ids":[5],"sampling_params":{"max_new_tokens":1}}"""),
        };
        request.Headers.Add("X-SMG-Routing-Key", new string('k', 2000));
        (int status, string text, _) = await rig.SendAsync(request);
        Assert.That((status, text.Contains("X-SMG-Routing-Key")), Is.EqualTo((400, true)));
    }

    private static HttpRequestMessage ToRequest(JsonElement sent)
    {
        HttpRequestMessage request = new(
            new HttpMethod(sent.GetProperty("method").GetString()!), sent.GetProperty("path").GetString());
        if (sent.GetProperty("body").ValueKind != JsonValueKind.Null)
            request.Content = HttpRig.Json(sent.GetProperty("body").GetRawText());
        foreach (JsonProperty header in sent.GetProperty("headers").EnumerateObject())
        {
            if (header.Name != "content-type")
                request.Headers.TryAddWithoutValidation(header.Name, header.Value.GetString());
        }
        return request;
    }

    private static void AssertTakenUp(JsonElement sent, string text)
    {
        switch (sent.GetProperty("path").GetString())
        {
            case "/server_info":
                AssertHas(
                    text, "served_model_name", "model_path", "tp_size", "dp_size", "disaggregation_mode");
                break;
            case "/model_info" or "/get_model_info":
                AssertHas(
                    text, "model_path", "model_type", "architectures", "is_generation", "weight_version");
                break;
            case "/get_load":
                AssertHas(PdEngineRun.Json(text)[0].GetRawText(),
                    "dp_rank", "num_reqs", "num_waiting_reqs", "num_tokens");
                break;
            case "/v1/chat/completions":
                AssertHas(text, "id", "object", "created", "model", "choices", "usage");
                break;
            case "/generate":
                AssertGenerated(sent.GetProperty("body"), text);
                break;
        }
    }

    private static void AssertGenerated(JsonElement body, string text)
    {
        if (body.GetProperty("stream").GetBoolean())
        {
            Assert.That(text, Does.StartWith("data: {").And.EndWith("data: [DONE]\n\n"));
            return;
        }
        JsonElement answer = PdEngineRun.Json(text);
        bool isBatch = body.TryGetProperty("input_ids", out JsonElement ids)
            && ids[0].ValueKind == JsonValueKind.Array;
        Assert.That(answer.ValueKind == JsonValueKind.Array, Is.EqualTo(isBatch));
        JsonElement[] each = isBatch ? [.. answer.EnumerateArray()] : [answer];
        Assert.That(each, Has.Length.EqualTo(isBatch ? ids.GetArrayLength() : 1));
        foreach (JsonElement one in each)
        {
            AssertHas(one.GetRawText(), "text", "output_ids", "meta_info");
            Assert.That(one.GetProperty("output_ids").GetArrayLength(), Is.InRange(1, 3));
        }
    }

    private static void AssertHas(string json, params string[] fields)
    {
        JsonElement element = PdEngineRun.Json(json);
        foreach (string field in fields)
            Assert.That(element.TryGetProperty(field, out _), Is.True, $"{field} in {json}");
    }
}
