using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using PdEngine.Host;

namespace PdEngine.Tests;

/// <summary>What a collector of OpenTelemetry gets, and what it costs where it takes nothing.</summary>
[CancelAfter(120_000)]
public sealed class OtlpExportTests
{
    private const string Body =
        """{"input_ids":[5,6,7],"sampling_params":{"max_new_tokens":4,"ignore_eos":true,"n":2}}""";

    private const string Parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    [TestCase(false)]
    [TestCase(true)]
    public async Task A_collector_gets_the_spans_under_the_callers_and_the_metrics(bool speaksGrpc)
    {
        await using OtlpCollector collector = await OtlpCollector.StartAsync(speaksGrpc);
        using (OtlpExport export = new(
            Options(collector.Address, speaksGrpc ? "grpc" : "http")! with { SpanDelayMilliseconds = 20 },
            (_, _, _) => Assert.Fail("it failed")))
        {
            await using HttpRig rig = await HttpRig.StartAsync(
                options => options with { LogsRequests = true });
            using HttpRequestMessage request = new(HttpMethod.Post, "/generate")
            {
                Content = HttpRig.Json(Body),
            };
            request.Headers.Add("traceparent", Parent);
            Assert.That((await rig.SendAsync(request)).Status, Is.EqualTo(200));
            Assert.That(
                rig.Log.ToString, Does.Contain($"\"trace_id\":\"{Parent[3..35]}\"").After(60_000, 10));
            export.SendMetrics();
            // It waits for neither long, and what is sent late comes all the same.
            Assert.That(() => collector.Spans.Count, Is.EqualTo(8).After(60_000, 10));
            Assert.That(() => collector.Metrics.Count, Is.Positive.After(60_000, 10));
        }
        OtlpSpan[] requests = [.. collector.Spans.Where(span => span.ParentId == Parent[36..52])];
        Assert.That(requests, Has.Length.EqualTo(2));
        foreach (OtlpSpan span in requests)
        {
            Assert.That(span.TraceId, Is.EqualTo(Parent[3..35]));
            Assert.That(span.Attributes["gen_ai.usage.output_tokens"], Is.EqualTo(4L));
            Assert.That(span.Attributes["gen_ai.response.finish_reasons"], Is.EqualTo(new[] { "length" }));
            AssertTree(collector, span);
        }
        Assert.That(collector.Spans, Has.Count.EqualTo(8));
        Assert.That(collector.Resources, Is.EqualTo(new[] { "pdengine" }));
        Assert.That(collector.TestHeaders, Is.Not.Empty.And.All.EqualTo("1"));
        OtlpMetric first = collector.Metrics.First(metric => metric.Name == "pdengine.time_to_first_token");
        Assert.That(first.Bounds, Is.EqualTo(EngineInstruments.BoundsSeconds));
        Assert.That(first.Value, Is.EqualTo(2));
        Assert.That(collector.Metrics.Where(metric => metric.Name == "pdengine.output_tokens")
            .Select(metric => metric.Value), Has.Member(8));
        Assert.That(collector.Metrics.Select(metric => metric.Name), Has.Member("pdengine.worker.alive"));
    }

    [Test]
    public async Task A_server_that_is_told_to_end_sends_what_it_has()
    {
        await using OtlpCollector collector = await OtlpCollector.StartAsync(speaksGrpc: false);
        using Process process = PdEngineRun.Start(PdEngineRun.Tiny(
            "serve", "--port", "0", "--otlp-endpoint", $"{collector.Address}"));
        Task<string> error = process.StandardError.ReadToEndAsync();
        string? line = await process.StandardOutput.ReadLineAsync();
        Assert.That(line, Does.StartWith("listening on "), line is null ? await error : "");
        using HttpClient client = new() { BaseAddress = new(line!["listening on ".Length..]) };
        Task<HttpResponseMessage>[] running = [.. Enumerable.Range(0, 20).Select(_ =>
            client.PostAsync("/generate", HttpRig.Json(Body)))];
        await Task.WhenAny(running);
        using (Process kill = Process.Start("kill", ["-TERM", $"{process.Id}"]))
            kill.WaitForExit();
        int answered = 0;
        foreach (Task<HttpResponseMessage> answer in running)
        {
            try
            {
                answered += (await answer).IsSuccessStatusCode ? 1 : 0;
            }
            catch (HttpRequestException)
            {
                // It came when nobody listened any more.
            }
        }
        await PdEngineRun.WaitAsync(process);
        Assert.That(process.ExitCode, Is.Zero, await error);
        OtlpSpan[] requests = [.. collector.Spans.Where(span => span.ParentId.Length == 0)];
        Assert.That(requests, Has.Length.EqualTo(2 * answered).And.Length.AtLeast(2));
        foreach (OtlpSpan span in requests)
            AssertTree(collector, span);
        Assert.That(collector.Metrics.Where(metric => metric.Name == "pdengine.requests")
            .Select(metric => metric.Value), Has.Member(2 * answered));
    }

    [TestCase(false)]
    [TestCase(true)]
    public async Task A_collector_that_is_gone_or_hangs_holds_nothing_up(bool hangs)
    {
        using TcpListener listener = new(IPAddress.Loopback, 0);
        listener.Start();
        Uri address = new($"http://{listener.LocalEndpoint}");
        if (!hangs)
            listener.Stop();
        List<string> heard = [];
        OtlpExport export = new(
            Options(address, "http")! with { SpanDelayMilliseconds = 20, MetricIntervalMilliseconds = 20 },
            (signal, target, works) =>
            {
                lock (heard)
                    heard.Add($"{signal} {works} {target}");
            });
        await using (HttpRig rig = await HttpRig.StartAsync())
        {
            for (int i = 0; i < 200; i++)
                await rig.PostAsync("/generate", Body);
            await rig.Server.DrainAsync();
        }
        long start = Stopwatch.GetTimestamp();
        export.Dispose();
        Assert.That(Stopwatch.GetElapsedTime(start), Is.LessThan(TimeSpan.FromMinutes(1)));
        if (hangs)
            return;
        Assert.That(heard, Is.EquivalentTo(new[]
        {
            $"traces False {address}v1/traces", $"metrics False {address}v1/metrics",
        }));
    }

    [Test]
    public void Variables_and_flags_say_where_to()
    {
        Assert.That(OtlpOptions.Read(null, null, _ => null), Is.Null);
        OtlpOptions shared = Read("ENDPOINT=http://a:1/x;PROTOCOL=http/protobuf;HEADERS=k=v;TIMEOUT=7");
        Assert.That(shared.Traces,
            Is.EqualTo(new OtlpTarget(new("http://a:1/x/v1/traces"), OtlpProtocol.Http, "k=v", 7)));
        Assert.That(shared.Metrics!.Endpoint, Is.EqualTo(new Uri("http://a:1/x/v1/metrics")));
        OtlpOptions own = Read(
            "TRACES_ENDPOINT=http://b:2/y;TRACES_PROTOCOL=grpc;TRACES_HEADERS=q=r;TRACES_TIMEOUT=9");
        Assert.That(own.Traces, Is.EqualTo(new OtlpTarget(new("http://b:2/y"), OtlpProtocol.Grpc, "q=r", 9)));
        Assert.That(own.Metrics, Is.Null);
        OtlpOptions flagged = Read("ENDPOINT=http://a:1;TRACES_ENDPOINT=http://b:2", "http://c:3", "grpc");
        Assert.That(flagged.Traces!.Endpoint, Is.EqualTo(new Uri("http://c:3")));
        Assert.That(flagged.Metrics!.Protocol, Is.EqualTo(OtlpProtocol.Grpc));
        Assert.That(OtlpOptions.Read("http://c:3", null, Of("OTEL_SDK_DISABLED=true")), Is.Null);
        Assert.That(OtlpOptions.Read("http://c:3", null, Of("OTEL_METRICS_EXPORTER=none"))!.Metrics, Is.Null);
        Assert.That($"{new OtlpTarget(new("http://me:secret@h:1/p"), OtlpProtocol.Http, "k=v", 1)}",
            Is.EqualTo("http://h:1/p"));
    }

    [TestCase("--otlp-endpoint nowhere", "--otlp-endpoint", "http://localhost:4318")]
    [TestCase("--otlp-protocol http", "--otlp-protocol", "--otlp-endpoint")]
    [TestCase("--otlp-endpoint http://a --otlp-protocol json", "--otlp-protocol", "grpc")]
    [TestCase("--log-format xml", "--log-format", "text or json")]
    public async Task Bad_flags_are_refused(string flags, params string[] parts) =>
        (await PdEngineRun.HereAsync(PdEngineRun.Tiny(["serve", .. flags.Split(' ')]))).AssertRefused(parts);

    private static void AssertTree(OtlpCollector collector, OtlpSpan span)
    {
        OtlpSpan[] parts = collector.ChildrenOf(span);
        Assert.That(parts.Select(part => part.Name), Is.EqualTo(new[] { "queue", "prefill", "decode" }));
        ulong at = span.StartNs;
        foreach (OtlpSpan part in parts)
        {
            Assert.That((part.TraceId, part.StartNs), Is.EqualTo((span.TraceId, at)));
            at = part.EndNs;
        }
        Assert.That(at, Is.EqualTo(span.EndNs));
    }

    private static OtlpOptions? Options(Uri address, string protocol) => OtlpOptions.Read(
        $"{address}", protocol, Of("OTEL_EXPORTER_OTLP_HEADERS=x-test=1"));

    private static OtlpOptions Read(string exporter, string? flag = null, string? protocol = null) =>
        OtlpOptions.Read(flag, protocol, Of(string.Join(
            ';', exporter.Split(';').Select(one => "OTEL_EXPORTER_OTLP_" + one))))!;

    private static Func<string, string?> Of(string variables) => name => variables.Split(';')
        .Where(one => one.StartsWith(name + "=", StringComparison.Ordinal))
        .Select(one => one[(name.Length + 1)..]).FirstOrDefault();
}
