using System.Text.Json;
using PdEngine.Host;

namespace PdEngine.Tests;

public sealed class GenerateBodyTests
{
    [Test]
    public void Absent_parameters_are_SGLangs_defaults()
    {
        GenerateBody body = Read("""{"text": "hi"}""");
        SamplingParams sampling = body.Request.Sampling;
        Assert.That(sampling.Temperature, Is.EqualTo(1));
        Assert.That(sampling.TopP, Is.EqualTo(1));
        Assert.That(sampling.TopK, Is.EqualTo(-1));
        Assert.That(sampling.MaxNewTokens, Is.EqualTo(128));
        Assert.That(body.SampleCount, Is.EqualTo(1));
        Assert.That(body.Request.LogProbStartLen, Is.EqualTo(-1));
    }

    [Test]
    public void Every_parameter_is_read()
    {
        GenerateBody body = Read("""
            {"id": [1], "rid": "r", "input_ids": [3, 4], "return_logprob": true, "logprob_start_len": 1,
             "top_logprobs_num": 2, "parse_added_tokens": false, "session_id": "s 1", "routing_key": "é",
             "sampling_params": {
               "temperature": 0.5, "top_p": 0.9, "top_k": 7, "min_p": 0.1, "repetition_penalty": 1.1,
               "frequency_penalty": 0.2, "presence_penalty": 0.3, "max_new_tokens": 9, "min_new_tokens": 2,
               "stop": "x", "stop_token_ids": [5], "ignore_eos": true, "skip_special_tokens": false,
               "no_stop_trim": true, "n": 3, "sampling_seed": -1, "logit_bias": {"8": -1.5},
               "top_p_mode": "sequential", "logprob_mode": "raw", "regex": null}}
            """);
        SamplingParams sampling = body.Request.Sampling;
        Assert.That(body.Id.GetRawText(), Is.EqualTo("[1]"));
        Assert.That(body.RequestName, Is.EqualTo("r"));
        Assert.That(body.Request.InputIds!.Value.ToArray(), Is.EqualTo(new[] { 3, 4 }));
        Assert.That(body.Request.ReturnLogProb, Is.True);
        Assert.That(body.Request.LogProbStartLen, Is.EqualTo(1));
        Assert.That(body.Request.TopLogProbsNum, Is.EqualTo(2));
        Assert.That(body.Request.ParseAddedTokens, Is.False);
        Assert.That(body.Request.SessionId, Is.EqualTo("s 1"));
        Assert.That(body.Request.RoutingKey, Is.EqualTo("é"));
        Assert.That(body.SampleCount, Is.EqualTo(3));
        Assert.That(sampling, Is.EqualTo(new SamplingParams
        {
            Temperature = 0.5f, TopP = 0.9f, TopK = 7, MinP = 0.1f, RepetitionPenalty = 1.1f,
            FrequencyPenalty = 0.2f, PresencePenalty = 0.3f, MaxNewTokens = 9, MinNewTokens = 2,
            Stop = sampling.Stop, StopTokenIds = sampling.StopTokenIds, IgnoreEos = true,
            SkipSpecialTokens = false,
            NoStopTrim = true, SamplingSeed = ulong.MaxValue, LogitBias = sampling.LogitBias,
            TopPMode = TopPMode.Sequential, LogProbMode = LogProbMode.Raw,
        }));
        Assert.That(sampling.Stop, Is.EqualTo(new[] { "x" }));
        Assert.That(sampling.StopTokenIds, Is.EqualTo(new[] { 5 }));
        Assert.That(sampling.LogitBias[8], Is.EqualTo(-1.5f));
    }

    [TestCase("min_weight_version", "\"7\"")]
    [TestCase("min_weight_version", "7")]
    [TestCase("exact_weight_version", "\"default\"")]
    public void A_version_is_a_name_or_a_number(string field, string version)
    {
        GenerateRequest request = Read($$"""{"text": "x", "{{field}}": {{version}}}""").Request;
        string? read = field == "min_weight_version" ? request.MinWeightVersion : request.ExactWeightVersion;
        Assert.That(read, Is.EqualTo(version.Trim('"')));
    }

    [TestCase("""[1]""", "body")]
    [TestCase("""{"text": 5}""", "text")]
    [TestCase("""{"input_ids": [1.5]}""", "input_ids")]
    [TestCase("""{"input_ids": [99999999999]}""", "input_ids")]
    [TestCase("""{"input_ids": [[1]]}""", "input_ids")]
    [TestCase("""{"text": "x", "sampling_params": [{}]}""", "sampling_params")]
    [TestCase("""{"text": "x", "sampling_parms": {}}""", "sampling_parms")]
    [TestCase("""{"text": "x", "sampling_params": {"temprature": 1}}""", "sampling_params.temprature")]
    [TestCase("""{"text": "x", "sampling_params": {"regex": "a*"}}""", "sampling_params.regex")]
    [TestCase("""{"text": "x", "sampling_params": {"n": 0}}""", "n")]
    [TestCase("""{"text": "x", "sampling_params": {"top_p": 1e99}}""", "top_p")]
    [TestCase("""{"text": "x", "sampling_params": {"logit_bias": {"a": 1}}}""", "logit_bias")]
    [TestCase("""{"text": "x", "sampling_params": {"logprob_mode": "cooked"}}""", "logprob_mode")]
    [TestCase("""{"text": "x", "lora_path": "a"}""", "lora_path")]
    [TestCase("""{"text": "\ud800"}""", "text")]
    [TestCase("""{"text": "x", "session_id": 7}""", "session_id")]
    [TestCase("""{"text": "x", "session_id": ""}""", "session_id")]
    [TestCase("""{"text": "x", "session_id": "\ud800"}""", "session_id")]
    [TestCase("""{"text": "x", "routing_key": ["a"]}""", "routing_key")]
    [TestCase("""{"text": "x", "routing_keys": "a"}""", "routing_keys")]
    [TestCase("""{"text": "x", "text": "y"}""", "text")]
    [TestCase("""{"text": "x", "sampling_params": {"top_k": 1, "top_k": 2}}""", "top_k")]
    [TestCase("""{"messages": [{"role": "user", "role": "user"}]}""", "role")]
    [TestCase("""{"text": "x", "min_weight_version": ""}""", "min_weight_version")]
    [TestCase("""{"text": "x", "exact_weight_version": [3]}""", "exact_weight_version")]
    public void What_would_change_the_answer_is_refused_by_name(string json, string field)
    {
        RequestException error = Assert.Throws<RequestException>(() => Read(json))!;
        Assert.That(error.Field, Is.EqualTo(field));
    }

    [TestCase("""{"text": "x", "lora_path": null, "return_hidden_states": false, "image_data": []}""")]
    [TestCase("""{"text": "x", "stream": true, "log_metrics": false, "bootstrap_room": 7}""")]
    [TestCase("""{"text": "x", "sampling_params": null}""")]
    public void What_changes_nothing_is_ignored(string json) => Assert.DoesNotThrow(() => Read(json));

    [TestCase("txet", "'text'")]
    [TestCase("sampling_parms", "'sampling_params'")]
    [TestCase("input_id", "'input_ids'")]
    [TestCase("prompt", "'text'")]
    [TestCase("temperature", "sampling_params")]
    [TestCase("max_new_tokens", "sampling_params")]
    [TestCase("source", "input_ids, messages")]
    public void An_unknown_field_is_refused_with_the_known_one_that_was_meant(string name, string meant)
    {
        RequestException error = Assert.Throws<RequestException>(() => Read($"{{\"{name}\": 1}}"))!;
        Assert.That(error.Field, Is.EqualTo(name));
        Assert.That(error.Message, Does.Contain("no such field").And.Contain(meant));
    }

    [TestCase(1024, true)]
    [TestCase(1025, false)]
    public void A_key_has_a_length_that_a_router_can_keep(int letters, bool taken)
    {
        string json = $"{{\"text\":\"x\",\"routing_key\":\"{new string('k', letters)}\"}}";
        if (taken)
            Assert.That(Read(json).Request.RoutingKey, Has.Length.EqualTo(letters));
        else
            Assert.That(Assert.Throws<RequestException>(() => Read(json))!.Message, Does.Contain("1024"));
    }

    [Test]
    public void A_request_has_no_session_unless_it_names_one()
    {
        GenerateRequest request = Read("""{"text": "x", "session_id": null}""").Request;
        Assert.That((request.SessionId, request.RoutingKey), Is.EqualTo(((string?)null, (string?)null)));
    }

    private static GenerateBody Read(string json)
    {
        using JsonDocument document = JsonDocument.Parse(json);
        return GenerateBody.Read(document.RootElement.Clone());
    }
}
