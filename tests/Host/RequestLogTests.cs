using System.Text.Json;
using System.Text.RegularExpressions;
using PdEngine.Host;

namespace PdEngine.Tests;

/// <summary>The line that each request leaves.</summary>
public sealed partial class RequestLogTests
{
    private const string Parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";

    [Test]
    public async Task A_line_has_ids_tokens_and_times()
    {
        await using HttpRig rig = await HttpRig.StartAsync(options => options with { LogsRequests = true });
        using HttpRequestMessage request = new(HttpMethod.Post, "/generate")
        {
            Content = HttpRig.Json(
                """
                {"rid":"mine","input_ids":[5,6,7],
                "sampling_params":{"max_new_tokens":4,"ignore_eos":true,"n":3}}
                """),
        };
        request.Headers.Add("traceparent", Parent);
        Assert.That((await rig.SendAsync(request)).Status, Is.EqualTo(200));
        JsonElement line = PdEngineRun.Json(Lines(rig, 1)[0]);
        string[] words = ["event", "method", "path", "client", "trace_id", "id", "finish_reason", "pd_path",
            "prefill_worker", "decode_worker", "weight_version"];
        Assert.That(words.Select(word => line.GetProperty(word).GetString()), Is.EqualTo(new[]
        {
            "request", "POST", "/generate", "127.0.0.1", Parent[3..35], "mine", "length", "local",
            "regular-0", "regular-0", "default",
        }));
        string[] numbers = ["status", "samples", "prompt_tokens", "completion_tokens"];
        Assert.That(numbers.Select(name => line.GetProperty(name).GetInt32()),
            Is.EqualTo(new[] { 200, 3, 9, 12 }));
        double Ms(string name) => line.GetProperty(name).GetDouble();
        // Each is the longest of three samples, which need not be one sample's.
        Assert.That(Ms("ttft_ms"), Is.InRange(Math.Max(Ms("queue_ms"), Ms("prefill_ms")),
            Ms("queue_ms") + Ms("prefill_ms") + Ms("decode_ms") + 0.01));
        Assert.That(Math.Max(Ms("ttft_ms"), Ms("decode_ms")), Is.Positive.And.LessThan(Ms("ms") + 1));
        Assert.That(Ms("handoff_ms"), Is.Zero);
    }

    [Test]
    public async Task Text_has_the_same_fields_and_stays_one_line()
    {
        await using HttpRig rig = await HttpRig.StartAsync(options => options with
        {
            LogsRequests = true, LogFormat = LogFormat.Text,
        });
        await rig.PostAsync("/generate",
            """{"rid":"a b\nc=\u001b[2J","input_ids":[5],"sampling_params":{"max_new_tokens":1}}""");
        await rig.GetAsync("/server_info");
        string[] lines = Lines(rig, 2);
        Assert.That(lines, Has.All.StartsWith("event=request time=20"));
        Assert.That(lines[0], Does.Contain(" path=/generate client=127.0.0.1 status=200 ms=")
            .And.Contain(""" id="a b\nc=\u001B[2J" """).And.Contain(" completion_tokens=1 "));
        Assert.That(lines[1], Does.Contain(" path=/server_info ").And.Not.Contain("tokens"));
        foreach (string line in lines)
            Assert.That(Pairs().IsMatch(line), Is.True, line);
    }

    [Test]
    public async Task Without_a_wish_nothing_is_written()
    {
        await using HttpRig rig = await HttpRig.StartAsync();
        await rig.PostAsync("/generate", """{"input_ids":[5],"sampling_params":{"max_new_tokens":1}}""");
        await rig.Server.DrainAsync();
        Assert.That(rig.Log.ToString(), Is.Empty);
    }

    [Test]
    public async Task A_trace_that_is_badly_named_is_no_trace()
    {
        await using HttpRig rig = await HttpRig.StartAsync(options => options with { LogsRequests = true });
        foreach (string parent in new[] { "nonsense", Parent[..^1], new string('0', 5000) })
        {
            using HttpRequestMessage request = new(HttpMethod.Get, "/v1/models");
            request.Headers.TryAddWithoutValidation("traceparent", parent);
            Assert.That((await rig.SendAsync(request)).Status, Is.EqualTo(200));
        }
        Assert.That(Lines(rig, 3), Has.All.Not.Contain("trace_id"));
    }

    private static string[] Lines(HttpRig rig, int count)
    {
        Assert.That(() => rig.Log.ToString().Count(letter => letter == '\n'),
            Is.EqualTo(count).After(60_000, 10));
        return rig.Log.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }

    [GeneratedRegex("""^[a-z_]+=("([^"\\]|\\.)*"|[^ "]+)( [a-z_]+=("([^"\\]|\\.)*"|[^ "]+))*$""")]
    private static partial Regex Pairs();
}
