using System.Text;
using System.Text.Json;

namespace PdEngine.Tests;

/// <summary>The offline batch: every line its answer or its error, in order.</summary>
public sealed class BatchTests
{
    [Test]
    public async Task Answers_come_in_input_order_whatever_takes_longest()
    {
        StringBuilder lines = new();
        int[] counts = [90, 1, 40, 3, 70, 2, 5, 1];
        for (int i = 0; i < counts.Length; i++)
        {
            string sampling = Sampling($"\"max_new_tokens\":{counts[i]},\"ignore_eos\":true");
            lines.Append($"{{\"id\":{i},{Ids(5 + i)},{sampling}}}\n");
        }
        (int exitCode, JsonElement[] answers, string error) = await PdEngineRun.BatchAsync(lines.ToString());
        Assert.That(exitCode, Is.Zero, error);
        Assert.That(answers.Select(answer => answer.GetProperty("id").GetInt32()),
            Is.EqualTo(Enumerable.Range(0, 8)));
        Assert.That(
            answers.Select(answer => answer.GetProperty("output_ids").GetArrayLength()), Is.EqualTo(counts));
        Assert.That(error, Does.Contain("8 lines answered, 0 of them with an error").And.Contain("tokens/s"));
    }

    [Test]
    public async Task Weights_of_the_version_asked_for_answer_and_say_so()
    {
        string sampling = Sampling("\"max_new_tokens\":3,\"ignore_eos\":true");
        (int exitCode, JsonElement[] answers, string error) = await PdEngineRun.BatchAsync(
            $"{{{Ids(5)},{sampling},\"min_weight_version\":\"default\"}}\n"
            + $"{{{Ids(5)},{sampling},\"exact_weight_version\":\"default\"}}\n");
        Assert.That(exitCode, Is.Zero, error);
        foreach (JsonElement answer in answers)
        {
            JsonElement meta = answer.GetProperty("meta_info");
            Assert.That(meta.GetProperty("weight_version").GetString(), Is.EqualTo("default"));
            Assert.That(meta.GetProperty("weight_versions").GetRawText(), Is.EqualTo("[[\"default\",3]]"));
            Assert.That(meta.GetProperty("mixed_kv").GetBoolean(), Is.False);
        }
    }

    [Test]
    public async Task An_id_is_given_back_as_it_is_or_left_out()
    {
        string[] ids = ["1", "1", "\"é\"", "\"\\ud800\"", "null", "{\"a\":[1.50,{}]}", "[]", "1e400"];
        string lines =
            string.Concat(ids.Select(id => $"{{\"id\":{id},{Ids(5)},{Sampling("\"max_new_tokens\":1")}}}\n"));
        lines += $"{{{Ids(5)},{Sampling("\"max_new_tokens\":1")}}}\n";
        (int exitCode, JsonElement[] answers, string error) = await PdEngineRun.BatchAsync(lines);
        Assert.That(exitCode, Is.Zero, error);
        Assert.That(answers.Take(ids.Length).Select(answer => answer.GetProperty("id").GetRawText()),
            Is.EqualTo(ids));
        Assert.That(answers[^1].TryGetProperty("id", out _), Is.False);
    }

    [TestCase("""{"id":7,"text":""", "null", "invalid_json", "line 1, column 16: not valid JSON")]
    [TestCase("nonsense", "null", "invalid_json", "line 1, column 2: not valid JSON")]
    [TestCase("""{"id":"é你","text":x}""", "null", "invalid_json", "line 1, column 19: not valid JSON")]
    [TestCase("""{"id":7,"txet":"x"}""", "7", "invalid_request", "line 1: txet: there is no such field; did")]
    [TestCase("""[{"text":"x"}]""", "null", "invalid_request", "body")]
    [TestCase("""{"id":7}""", "7", "invalid_request", "text, input_ids")]
    [TestCase("""{"id":7,"text":"x","input_ids":[1]}""", "7", "invalid_request", "exactly one")]
    [TestCase("""{"id":7,"text":5}""", "7", "invalid_request", "text: ")]
    [TestCase("""{"id":7,"text":["a","b"]}""", "7", "invalid_request", "text: ")]
    [TestCase("""{"id":7,"text":""}""", "7", "invalid_request", "prompt: ")]
    [TestCase("""{"id":7,"input_ids":[]}""", "7", "invalid_request", "prompt: ")]
    [TestCase("""{"id":7,"input_ids":[320]}""", "7", "invalid_request", "input_ids: ")]
    [TestCase("""{"id":7,"messages":[]}""", "7", "invalid_request", "messages: ")]
    [TestCase(
        """{"id":7,"text":"x","sampling_params":{"temprature":1}}""", "7", "invalid_request", "temperature")]
    [TestCase("""{"id":7,"text":"x","sampling_params":{"top_p":0}}""", "7", "invalid_request", "top_p: ")]
    [TestCase("""{"id":7,"text":"x","sampling_params":{"n":0}}""", "7", "invalid_request", "n: ")]
    [TestCase("""{"id":7,"text":"x","lora_path":"a"}""", "7", "invalid_request", "lora_path: ")]
    [TestCase("""{"id":7,"text":"x","text":"y"}""", "7", "invalid_request", "text: it is given twice")]
    [TestCase("""{"id":7,"text":"x","stream":true}""", "7", "invalid_request", "stream: ")]
    [TestCase(
        """{"id":7,"text":"x","min_weight_version":1}""", "7", "invalid_request", "min_weight_version: ")]
    [TestCase("""{"id":7,"text":"x","exact_weight_version":"v2"}""", "7", "invalid_request",
        "exact_weight_version: the weights are of version 'default'")]
    [TestCase("""{"id":7,"text":"x","sampling_params":{"max_new_tokens":3000}}""", "7", "capacity", "3001")]
    [TestCase("""{"id":7,"text":"x","\ud800":1}""", "7", "invalid_request", "Unicode")]
    [TestCase("""{"id":7,"text":"x","sampling_params":{"\ud800":1}}""", "7", "invalid_request", "Unicode")]
    public async Task A_bad_line_is_its_own_error_and_the_others_are_served(
        string bad, string id, string type, string message)
    {
        string good = $"{{{Ids(5)},{Sampling("\"max_new_tokens\":1")}}}";
        (int exitCode, JsonElement[] answers, _) = await PdEngineRun.BatchAsync($"{bad}\n{good}\n");
        Assert.That(exitCode, Is.EqualTo(1));
        Assert.That(answers, Has.Length.EqualTo(2));
        Assert.That(answers[0].EnumerateObject().Select(property => property.Name),
            Is.EqualTo(new[] { "id", "error" }));
        Assert.That(answers[0].GetProperty("id").GetRawText(), Is.EqualTo(id));
        JsonElement error = answers[0].GetProperty("error");
        Assert.That(error.EnumerateObject().Select(property => property.Name),
            Is.EqualTo(new[] { "type", "message" }));
        Assert.That(error.GetProperty("type").GetString(), Is.EqualTo(type));
        Assert.That(
            error.GetProperty("message").GetString(), Does.StartWith("line 1").And.Contain(message)
            .And.Not.Contain("BytePosition").And.Not.Contain("LineNumber"));
        Assert.That(answers[1].GetProperty("output_ids").GetArrayLength(), Is.EqualTo(1));
    }

    [TestCase("--sglang-max-queued-requests 1")]
    [TestCase("--sglang-max-queued-requests 2 --rollout-num-gpus 2")]
    [TestCase("--prefill-num-servers 1 --rollout-num-gpus 3 --disaggregate always "
        + "--sglang-max-queued-requests 1")]
    [TestCase("--prefill-num-servers 1 --rollout-num-gpus 2 --sglang-max-queued-requests 1 "
        + "--sglang-max-running-requests 1 --kv-domain device --disaggregate always")]
    public async Task Lines_wait_where_a_queue_has_no_room_for_them(string flags)
    {
        StringBuilder lines = new();
        for (int i = 0; i < 40; i++)
        {
            string sampling = Sampling($"\"max_new_tokens\":{1 + (i * 7 % 20)},\"n\":{1 + (i % 3)}");
            lines.Append($"{{\"id\":{i},{Ids([.. Enumerable.Range(3, 1 + (i * 13 % 90))])},{sampling}}}\n");
        }
        (_, JsonElement[] expected, _) = await PdEngineRun.BatchAsync(lines.ToString());
        (int exitCode, JsonElement[] answers, string error) =
            await PdEngineRun.BatchAsync(lines.ToString(), flags.Split(' '));
        Assert.That(exitCode, Is.Zero, error);
        Assert.That(answers.Select(AllIds), Is.EqualTo(expected.Select(AllIds)));

        static string AllIds(JsonElement answer) => answer.ValueKind == JsonValueKind.Array
            ? string.Join(' ', answer.EnumerateArray().Select(OutputIds)) : OutputIds(answer);
    }

    [Test]
    public async Task Retractions_are_counted_for_each_answer_and_change_none()
    {
        StringBuilder lines = new();
        for (int i = 0; i < 8; i++)
        {
            int[] ids = [.. Enumerable.Repeat(5 + i, 5 + i)];
            lines.Append($"{{{Ids(ids)},{Sampling("\"max_new_tokens\":400,\"ignore_eos\":true")}}}\n");
        }
        (_, JsonElement[] expected, _) = await PdEngineRun.BatchAsync(lines.ToString());
        (int exitCode, JsonElement[] answers, string error) = await PdEngineRun.BatchAsync(lines.ToString(),
            "--page-size", "16", "--sglang-max-total-tokens", "512", "--sglang-num-reserved-decode-tokens",
            "0", "--sglang-schedule-conservativeness", "0.1");
        Assert.That(exitCode, Is.Zero, error);
        Assert.That(answers.Select(OutputIds), Is.EqualTo(expected.Select(OutputIds)));
        int count = answers.Sum(
            answer => answer.GetProperty("meta_info").GetProperty("total_retractions").GetInt32());
        Assert.That(count, Is.GreaterThan(0));
        Assert.That(error, Does.Contain($"; {count} retractions"));
    }

    [Test]
    public async Task Spoilt_lines_get_an_answer_or_an_error_each()
    {
        const int seed = 2;
        Random random = new(seed);
        List<byte> lines = [];
        for (int i = 0; i < 600; i++)
        {
            byte[] spoilt = GenerateBodyFuzz.SpoiltLine(i, random);
            lines.AddRange(spoilt.Where(value => value is not (byte)'\n'));
            lines.Add((byte)'\n');
        }
        (int exitCode, JsonElement[] answers, string error) = await PdEngineRun.BatchAsync([.. lines]);
        Assert.That(exitCode, Is.EqualTo(1), error);
        Assert.That(answers, Has.Length.EqualTo(600), $"seed {seed}");
        int refused = answers.Count(IsError);
        Assert.That(refused, Is.InRange(100, 590), $"seed {seed}");
    }

    [Test]
    public async Task Line_ends_of_every_kind_blank_lines_and_a_mark_are_taken()
    {
        string line = $"{{{Ids(5)},{Sampling("\"max_new_tokens\":1")}}}";
        (int exitCode, JsonElement[] answers, string error) = await PdEngineRun.BatchAsync(
            $"\uFEFF{line}\r\n\r\n  \t\n{line}\n\n{line}");
        Assert.That(exitCode, Is.Zero, error);
        Assert.That(answers.Select(answer => answer.GetProperty("meta_info").GetProperty("id").GetString()),
            Is.EqualTo(new[] { "line-1", "line-4", "line-6" }), "line numbers count blank lines");
    }

    [Test]
    public async Task An_empty_file_has_no_answers()
    {
        (int exitCode, JsonElement[] answers, _) = await PdEngineRun.BatchAsync("");
        Assert.That(exitCode, Is.Zero);
        Assert.That(answers, Is.Empty);
    }

    [Test]
    public async Task Lines_that_are_huge_or_no_text_are_refused()
    {
        byte[] huge = Encoding.UTF8.GetBytes($"{{\"text\":\"{new string('x', 100_000)}\"}}\n");
        byte[] spoilt = [.. "{\"text\":\"a"u8, 0xFF, .. "\"}\n"u8];
        (int exitCode, JsonElement[] answers, _) = await PdEngineRun.BatchAsync([.. huge, .. spoilt]);
        Assert.That(exitCode, Is.EqualTo(1));
        Assert.That(Message(answers[0]), Does.Contain("100000 tokens").And.Contain("2048"));
        Assert.That(Message(answers[1]), Does.Contain("UTF-8"));
    }

    [Test]
    public async Task Several_samples_are_an_array_and_each_draws_its_own()
    {
        (int exitCode, JsonElement[] answers, string error) = await PdEngineRun.BatchAsync(
            $"{{\"id\":\"a\",\"rid\":\"r\",{Ids(5)},{Sampling("\"n\":3,\"max_new_tokens\":12")}}}\n");
        Assert.That(exitCode, Is.Zero, error);
        JsonElement[] samples = [.. answers[0].EnumerateArray()];
        Assert.That(samples.Select(sample => sample.GetProperty("id").GetString()), Is.All.EqualTo("a"));
        Assert.That(samples.Select(sample => sample.GetProperty("meta_info").GetProperty("id").GetString()),
            Is.EqualTo(new[] { "r-0", "r-1", "r-2" }));
        Assert.That(samples.Select(OutputIds).Distinct().Count(), Is.EqualTo(3));
    }

    [Test]
    public async Task An_answer_has_the_shape_of_SGLangs()
    {
        (_, JsonElement[] answers, _) = await PdEngineRun.BatchAsync(
            "{\"id\":1,\"text\":\"abc\",\"return_logprob\":true,\"logprob_start_len\":1,"
            + "\"top_logprobs_num\":2,"
            + Sampling("\"max_new_tokens\":4,\"ignore_eos\":true") + "}\n");
        JsonElement answer = answers[0], meta = answer.GetProperty("meta_info");
        Assert.That(answer.EnumerateObject().Select(property => property.Name),
            Is.EqualTo(new[] { "id", "text", "output_ids", "meta_info" }));
        Assert.That(meta.EnumerateObject().Select(property => property.Name), Is.EqualTo(new[]
        {
            "id", "finish_reason", "prompt_tokens", "completion_tokens", "cached_tokens", "weight_version",
            "weight_versions", "mixed_kv", "total_retractions",
            "input_token_logprobs", "output_token_logprobs", "input_top_logprobs", "output_top_logprobs",
            "queue_time", "e2e_latency", "ttft", "decode_throughput", "pd_path", "pd_reason",
            "pd_prefill_bootstrap_queue_duration", "pd_prefill_forward_duration",
            "pd_prefill_transfer_queue_duration", "pd_decode_alloc_wait_duration",
            "pd_decode_transfer_duration", "pd_decode_forward_duration", "pd_prefill_retry_count",
        }));
        Assert.That(
            meta.GetProperty("finish_reason").GetRawText(), Is.EqualTo("""{"type":"length","length":4}"""));
        Assert.That(meta.GetProperty("weight_version").GetString(), Is.EqualTo("default"));
        Assert.That(meta.GetProperty("weight_versions").GetRawText(), Is.EqualTo("""[["default",4]]"""));
        Assert.That(meta.GetProperty("mixed_kv").GetBoolean(), Is.False);
        JsonElement input = meta.GetProperty("input_token_logprobs"),
        output = meta.GetProperty("output_token_logprobs");
        Assert.That(input.GetArrayLength(), Is.EqualTo(2));
        Assert.That(input[0].GetRawText(), Is.EqualTo($"[null,{'b' + 2},null]"));
        Assert.That(input[1][0].GetDouble(), Is.LessThan(0));
        Assert.That(input[1][1].GetInt32(), Is.EqualTo('c' + 2));
        Assert.That(output.GetArrayLength(), Is.EqualTo(4));
        Assert.That(output.EnumerateArray().Select(entry => entry[1].GetInt32()),
            Is.EqualTo(answer.GetProperty("output_ids").EnumerateArray().Select(id => id.GetInt32())));
        Assert.That(meta.GetProperty("input_top_logprobs")[0].ValueKind, Is.EqualTo(JsonValueKind.Null));
        Assert.That(meta.GetProperty("input_top_logprobs")[1].GetArrayLength(), Is.EqualTo(2));
        Assert.That(meta.GetProperty("output_top_logprobs")[3][1].GetArrayLength(), Is.EqualTo(3));
    }

    [Test]
    public async Task Texts_are_written_as_they_are()
    {
        string bias = string.Join(',', Encoding.UTF8.GetBytes("é")
            .Select(value => $"\"{value + 2}\":{(value == 0xC3 ? 100 : 99)}"));
        const string sampling = "\"max_new_tokens\":2,\"temperature\":0,\"presence_penalty\":2";
        (_, JsonElement[] answers, _) = await PdEngineRun.BatchAsync(
            $"{{\"id\":\"é你\",{Ids(5)},{Sampling($"{sampling},\"logit_bias\":{{{bias}}}")}}}\n");
        Assert.That(answers[0].GetProperty("text").GetRawText(), Is.EqualTo("\"é\""));
        Assert.That(answers[0].GetProperty("id").GetRawText(), Is.EqualTo("\"é你\""));
    }

    [Test]
    public async Task Answers_depend_on_the_line_and_the_seeds_alone()
    {
        StringBuilder lines = new();
        for (int i = 0; i < 12; i++)
        {
            string seed = i % 3 == 0 ? ",\"sampling_seed\":5" : "";
            string sampling = Sampling($"\"max_new_tokens\":15,\"n\":2{seed}");
            lines.Append($"{{\"id\":{i},{Ids(9 + i % 2)},\"return_logprob\":true,{sampling}}}\n");
        }
        string first = await AnswersAsync();
        Assert.That(await AnswersAsync("--max-running-requests", "2"), Is.EqualTo(first));
        Assert.That(await AnswersAsync("--chunked-prefill-size", "3", "--page-size", "1"), Is.EqualTo(first));
        Assert.That(await AnswersAsync("--disable-radix-cache", "--seed", "0"), Is.EqualTo(first));
        string other = await AnswersAsync("--seed", "1");
        Assert.That(other, Is.Not.EqualTo(first));
        Assert.That(other.Split('\n')[6], Is.EqualTo(first.Split('\n')[6]), "a line with a seed of its own");

        async Task<string> AnswersAsync(params string[] flags)
        {
            (_, JsonElement[] answers, _) = await PdEngineRun.BatchAsync(lines.ToString(), flags);
            return string.Join('\n', answers.Select(line => string.Join(' ', line.EnumerateArray().Select(
                sample => OutputIds(sample)
                    + sample.GetProperty("meta_info").GetProperty("output_token_logprobs")))));
        }
    }

    [Test]
    public async Task A_batch_through_pipes_answers_as_one_through_files()
    {
        string lines = $"{{\"id\":\"é\",{Ids(5)},{Sampling("\"max_new_tokens\":3")}}}\nbad\n";
        (_, JsonElement[] files, _) = await PdEngineRun.BatchAsync(lines);
        PdEngineRun pipes = await PdEngineRun.ProcessAsync(
            Encoding.UTF8.GetBytes(lines), PdEngineRun.Tiny("generate", "--input", "-"));
        Assert.That(pipes.ExitCode, Is.EqualTo(1), pipes.Error);
        string[] answers = pipes.Out.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.That(OutputIds(PdEngineRun.Json(answers[0])), Is.EqualTo(OutputIds(files[0])));
        Assert.That(answers[1], Is.EqualTo(files[1].GetRawText()));
    }

    private static string Ids(params int[] ids) => $"\"input_ids\":[{string.Join(',', ids)}]";

    private static string Sampling(string members) => $"\"sampling_params\":{{{members}}}";

    private static string OutputIds(JsonElement answer) => answer.GetProperty("output_ids").GetRawText();

    private static bool IsError(JsonElement answer) =>
        answer.ValueKind == JsonValueKind.Object && answer.TryGetProperty("error", out _);

    private static string? Message(JsonElement answer) =>
        answer.GetProperty("error").GetProperty("message").GetString();
}
