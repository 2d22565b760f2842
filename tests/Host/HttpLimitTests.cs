using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;

namespace PdEngine.Tests;

/// <summary>Clients that go, do not read, or ask for too much; and the end of a server.</summary>
public sealed class HttpLimitTests
{
    private const string Long =
        """{"input_ids":[5],"sampling_params":{"max_new_tokens":1900,"ignore_eos":true,"sampling_seed":1}""";

    [Test]
    public async Task A_client_that_goes_ends_its_request([Values] bool streams)
    {
        await using HttpRig rig = await HttpRig.StartAsync();
        await rig.PostAsync("/pause_generation", "{}");
        using CancellationTokenSource leaving = new();
        Task<HttpResponseMessage> asked = rig.Client.PostAsync(
            "/generate", HttpRig.Json($"{Long},\"stream\":{(streams ? "true" : "false")}}}"), leaving.Token);
        Assert.That(() => rig.Model.LiveRequestCount, Is.EqualTo(1).After(60_000, 5));
        await leaving.CancelAsync();
        Assert.CatchAsync<OperationCanceledException>(() => asked);
        Assert.That(() => rig.Model.LiveRequestCount, Is.Zero.After(60_000, 5));
        Assert.That(() => rig.Server.Live.Count, Is.Zero.After(60_000, 5));
    }

    [Test]
    public async Task A_client_that_reads_nothing_is_given_up([Values] bool streams)
    {
        await using HttpRig rig = await HttpRig.StartAsync(
            options => options with { WriteTimeout = TimeSpan.FromMilliseconds(300) });
        await rig.Model.PauseAsync(PauseMode.Retract);
        // So much that no buffer on the way holds it.
        using Socket client = await SendAsync(rig, streams
            ? $"{Long},\"return_logprob\":true,\"top_logprobs_num\":64,\"stream\":true}}"
            : """
                {"input_ids":[5,6],"return_logprob":true,"top_logprobs_num":64,
                 "sampling_params":{"max_new_tokens":1900,"ignore_eos":true,"n":2}}
                """);
        Assert.That(() => rig.Server.Live.Count, Is.GreaterThan(0).After(60_000, 1));
        await rig.Model.ContinueAsync();
        Assert.That(() => rig.Server.Live.Count, Is.Zero.After(180_000, 20));
        Assert.That(() => rig.Model.LiveRequestCount, Is.Zero.After(60_000, 5));
        await rig.GetAsync("/model_info");
    }

    [Test]
    public async Task A_slow_reader_gets_fewer_events_and_everything_in_them()
    {
        SlowClock clock = new();
        clock.Release();
        await using HttpRig rig = await HttpRig.StartAsync(run: options => options with { Clock = clock });
        JsonElement whole = await rig.PostAsync("/generate", Long + ",\"return_logprob\":true}");
        using HttpClient client = new(new SocketsHttpHandler
        {
            ConnectCallback = async (_, cancellation) =>
                new NetworkStream(await ConnectAsync(rig), ownsSocket: true),
        });
        using HttpRequestMessage request = new(HttpMethod.Post, new Uri(rig.Server.Address, "/generate"))
        {
            Content = HttpRig.Json(
                Long + ",\"return_logprob\":true,\"top_logprobs_num\":64,\"stream\":true}"),
        };
        clock.Slow();
        using HttpResponseMessage response =
            await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        using StreamReader reader = new(await response.Content.ReadAsStreamAsync(), Encoding.UTF8);
        // One event is on its way before the last token is made.
        List<string> events = [(await reader.ReadLineAsync())!];
        clock.Release();
        // The engine is done with it although nobody reads: it waits for no reader.
        Assert.That(() => rig.Model.LiveRequestCount, Is.Zero.After(60_000, 20));
        Assert.That(rig.Server.Live.Count, Is.EqualTo(1), "the client is still owed events");
        while (await reader.ReadLineAsync() is { } line && line != "data: [DONE]")
        {
            if (line.StartsWith("data: ", StringComparison.Ordinal))
                events.Add(line);
        }
        Assert.That(events, Has.Count.InRange(2, 1800));
        JsonElement last = PdEngineRun.Json(events[^1]["data: ".Length..]);
        Assert.That(last.GetProperty("output_ids").GetRawText(),
            Is.EqualTo(whole.GetProperty("output_ids").GetRawText()));
    }

    [Test]
    public async Task A_full_queue_says_when_to_come_again()
    {
        await using HttpRig rig = await HttpRig.StartAsync(
            run: options => options with { MaxQueuedRequests = 2 });
        await rig.PostAsync("/pause_generation", "{}");
        Task<JsonElement>[] waiting = [.. Enumerable.Range(0, 2).Select(
            _ => rig.PostAsync("/generate", """{"input_ids":[5],"sampling_params":{"max_new_tokens":1}}"""))];
        Assert.That(() => rig.Model.LiveRequestCount, Is.EqualTo(2).After(60_000, 5));
        using HttpResponseMessage refused = await rig.Client.PostAsync(
            "/generate", HttpRig.Json("""{"input_ids":[[5],[6]],"sampling_params":{"max_new_tokens":1}}"""));
        Assert.That(refused.StatusCode, Is.EqualTo(HttpStatusCode.TooManyRequests));
        Assert.That(refused.Headers.RetryAfter!.Delta, Is.GreaterThan(TimeSpan.Zero));
        Assert.That(() => rig.Model.LiveRequestCount, Is.EqualTo(2).After(60_000, 5));
        await rig.PostAsync("/continue_generation", "{}");
        await Task.WhenAll(waiting);
    }

    [Test]
    public async Task A_long_body_is_refused_without_being_read([Values] bool isChunked)
    {
        await using HttpRig rig = await HttpRig.StartAsync(options => options with { MaxBodyBytes = 1000 });
        using HttpRequestMessage request = new(HttpMethod.Post, "/generate")
        {
            Content = HttpRig.Json($$"""{"text":"{{new string('a', 1000)}}"}"""),
        };
        request.Headers.TransferEncodingChunked = isChunked;
        (int status, string text, _) = await rig.SendAsync(request);
        Assert.That(status, Is.EqualTo(413));
        Assert.That(text, Does.Contain("1000 bytes"));
        await rig.PostAsync("/generate", """{"text":"a","sampling_params":{"max_new_tokens":1}}""");
    }

    [Test]
    public async Task A_request_over_its_time_ends_with_what_it_has()
    {
        await using HttpRig rig = await HttpRig.StartAsync(
            options => options with { RequestTimeout = TimeSpan.FromMilliseconds(200) });
        await rig.PostAsync("/pause_generation", "{}");
        JsonElement answer = await rig.PostAsync("/generate", Long + "}");
        Assert.That(End(answer), Is.EqualTo("abort"));
    }

    [Test]
    public async Task What_was_accepted_is_finished_before_the_end_and_nothing_new_begins()
    {
        await using HttpRig rig = await HttpRig.StartAsync();
        await rig.Model.PauseAsync(PauseMode.Retract);
        Task<JsonElement>[] running = [.. Enumerable.Range(0, 8).Select(
            _ => rig.PostAsync("/generate", Long + "}"))];
        Assert.That(() => rig.Model.LiveRequestCount, Is.EqualTo(8).After(60_000, 1));
        Task drained = rig.Server.DrainAsync();
        using HttpResponseMessage refused = await rig.Client.PostAsync("/generate", HttpRig.Json(Long + "}"));
        Assert.That(refused.StatusCode, Is.EqualTo(HttpStatusCode.ServiceUnavailable));
        Assert.That(refused.Headers.RetryAfter, Is.Not.Null);
        using HttpResponseMessage health = await rig.Client.GetAsync("/health");
        Assert.That(health.StatusCode, Is.EqualTo(HttpStatusCode.ServiceUnavailable));
        await rig.Model.ContinueAsync();
        foreach (JsonElement answer in await Task.WhenAll(running))
            Assert.That(answer.GetProperty("output_ids").GetArrayLength(), Is.EqualTo(1900));
        await drained;
        Assert.CatchAsync<HttpRequestException>(() => rig.Client.GetAsync("/health"));
    }

    [Test]
    public async Task What_is_not_done_in_the_drain_time_answers_with_what_it_has()
    {
        await using HttpRig rig = await HttpRig.StartAsync(
            options => options with { DrainTimeout = TimeSpan.FromMilliseconds(50) });
        await rig.PostAsync("/pause_generation", "{}");
        Task<JsonElement> waiting = rig.PostAsync("/generate", Long + "}");
        Assert.That(() => rig.Model.LiveRequestCount, Is.EqualTo(1).After(60_000, 5));
        await rig.Server.DrainAsync();
        Assert.That(End(await waiting), Is.EqualTo("abort"));
    }

    [Test]
    public async Task A_server_whose_workers_have_failed_says_so()
    {
        await using HttpRig rig = await HttpRig.StartAsync();
        rig.Model.KillWorker("regular-0");
        foreach (string path in new[] { "/health", "/health_generate" })
        {
            using HttpResponseMessage health = await rig.Client.GetAsync(path);
            Assert.That(health.StatusCode, Is.EqualTo(HttpStatusCode.ServiceUnavailable), path);
        }
        using HttpResponseMessage refused = await rig.Client.PostAsync("/generate", HttpRig.Json(Long + "}"));
        Assert.That(refused.StatusCode, Is.EqualTo(HttpStatusCode.ServiceUnavailable));
        Assert.That(refused.Headers.RetryAfter, Is.Not.Null);
        rig.Model.RestartWorker("regular-0");
        await rig.PostAsync("/generate", """{"text":"a","sampling_params":{"max_new_tokens":1}}""");
    }

    [Test]
    public async Task A_body_that_never_comes_whole_costs_nothing()
    {
        await using HttpRig rig = await HttpRig.StartAsync();
        for (int i = 0; i < 20; i++)
        {
            using Socket client = await ConnectAsync(rig);
            await client.SendAsync(Encoding.ASCII.GetBytes("POST /generate HTTP/1.1\r\nHost: localhost\r\n"
                + "Content-Type: application/json\r\nContent-Length: 4000\r\n\r\n{\"text\":"));
        }
        await rig.PostAsync("/generate", """{"text":"a","sampling_params":{"max_new_tokens":1}}""");
        await rig.IsIdleAsync();
    }

    private static string End(JsonElement answer) => answer.GetProperty("meta_info")
        .GetProperty("finish_reason").GetProperty("type").GetString()!;

    private static async Task<Socket> ConnectAsync(HttpRig rig)
    {
        Socket client = new(SocketType.Stream, ProtocolType.Tcp) { ReceiveBufferSize = 4096 };
        await client.ConnectAsync(IPAddress.Loopback, rig.Server.Address.Port);
        return client;
    }

    private static async Task<Socket> SendAsync(HttpRig rig, string body)
    {
        Socket client = await ConnectAsync(rig);
        await client.SendAsync(Encoding.ASCII.GetBytes("POST /generate HTTP/1.1\r\nHost: localhost\r\n"
            + $"Content-Type: application/json\r\nContent-Length: {body.Length}\r\n\r\n{body}"));
        return client;
    }
}
