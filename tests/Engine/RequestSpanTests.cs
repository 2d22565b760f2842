using System.Diagnostics;

namespace PdEngine.Tests;

/// <summary>What the engine says of each request to those who trace it.</summary>
[CancelAfter(120_000)]
public sealed class RequestSpanTests
{
    private static readonly SamplingParams Four =
        new() { MaxNewTokens = 4, IgnoreEos = true, Temperature = 0.8f, SamplingSeed = 1 };

    [TestCase("2R", KvDomainKind.Host, "local", "queue,prefill,decode")]
    [TestCase("1P+1D", KvDomainKind.Host, "handoff", "queue,prefill,hand-off,decode")]
    [TestCase("1P+1D", KvDomainKind.Device, "copy", "queue,prefill,hand-off,decode")]
    public async Task A_request_is_a_span_whose_children_fill_its_time(
        string shape, KvDomainKind domain, string path, string children)
    {
        using HeardSpans heard = new();
        await using Engine engine = await Engine.StartAsync(
            PdRig.Options(shape, DisaggregateMode.Auto, domain));
        Generation made = await engine.GenerateAsync(new GenerateRequest
        {
            InputIds = EngineRig.Ids(new Random(1), 100), Sampling = Four, SessionId = "s",
        });
        Activity span = heard.WaitFor(1).Single();
        Assert.That(span.Duration, Is.EqualTo(made.EndToEndTime));
        Assert.That(span.DisplayName, Is.EqualTo("text_completion m"));
        Dictionary<string, object?> expected = new()
        {
            ["gen_ai.operation.name"] = "text_completion", ["gen_ai.provider.name"] = "pdengine",
            ["gen_ai.request.model"] = "m", ["gen_ai.response.model"] = "m",
            ["gen_ai.response.id"] = made.Id.ToString(),
            ["gen_ai.response.finish_reasons"] = new[] { "length" }, ["gen_ai.usage.input_tokens"] = 100,
            ["gen_ai.usage.output_tokens"] = 4, ["gen_ai.request.max_tokens"] = 4,
            ["gen_ai.request.temperature"] = 0.8, ["gen_ai.request.top_p"] = 1.0,
            ["gen_ai.conversation.id"] = "s", ["pdengine.cached_tokens"] = 0, ["pdengine.path"] = path,
            ["pdengine.path_reason"] = made.PdReason, ["pdengine.prefill_worker"] = made.PrefillWorker,
            ["pdengine.decode_worker"] = made.DecodeWorker, ["pdengine.weight_version"] = "default",
            ["pdengine.time_to_first_token"] = made.TimeToFirstToken!.Value.TotalSeconds,
        };
        Assert.That(span.TagObjects.ToDictionary(), Is.EquivalentTo(expected));
        Activity[] parts = heard.ChildrenOf(span);
        Assert.That(string.Join(',', parts.Select(part => part.DisplayName)), Is.EqualTo(children));
        AssertFills(span, parts);
        Assert.That(parts[1].Duration.TotalNanoseconds,
            Is.EqualTo((double)made.Timings.PrefillForwardNs).Within(200));
        Assert.That(parts[1].GetTagItem("pdengine.worker"), Is.EqualTo(made.PrefillWorker));
        Assert.That(parts[^1].GetTagItem("pdengine.worker"), Is.EqualTo(made.DecodeWorker));
        if (path == "local")
            return;
        Assert.That(parts[2].GetTagItem("pdengine.handoff.blocks"), Is.EqualTo(made.HandoffBlocks));
        Assert.That(parts[2].GetTagItem("pdengine.handoff.bytes"), Is.EqualTo(made.TransferBytes));
    }

    [Test]
    public async Task A_retracted_request_has_a_child_for_each_stretch()
    {
        using HeardSpans heard = new();
        EngineOptions options = EngineRig.Options() with
        {
            PageSize = 16, MaxTotalTokens = 16 * 24, DisableRadixCache = true,
        };
        GenerateRequest[] requests = [.. Enumerable.Range(0, 8).Select(seed => new GenerateRequest
        {
            InputIds = EngineRig.Ids(new Random(seed), 20),
            Sampling = Four with { MaxNewTokens = 120 },
        })];
        await using Engine engine = await Engine.StartAsync(options);
        // However late the last of them comes, they begin together.
        await engine.Models[0].PauseAsync(PauseMode.Retract);
        Task<IReadOnlyList<Generation>> running = engine.Models[0].GenerateAsync(requests);
        await engine.Models[0].ContinueAsync();
        IReadOnlyList<Generation> all = await running;
        Assert.That(all.Sum(one => one.RetractionCount), Is.Positive, "nothing was squeezed");
        foreach (Activity span in heard.WaitFor(8))
        {
            Generation made = all.Single(one => one.Id.ToString() == (string?)span.GetTagItem(
                "gen_ai.response.id"));
            Activity[] parts = heard.ChildrenOf(span);
            AssertFills(span, parts);
            Assert.That(span.GetTagItem("pdengine.retractions") ?? 0, Is.EqualTo(made.RetractionCount));
            Assert.That(parts.Count(part => part.DisplayName == "prefill"),
                Is.EqualTo(1 + made.RetractionCount));
        }
    }

    [Test]
    public async Task It_belongs_under_the_callers_span_or_the_named_one_and_leaves_both_as_they_were()
    {
        using HeardSpans heard = new();
        await using Engine engine = await EngineRig.StartAsync();
        ActivityContext far = new(
            ActivityTraceId.CreateRandom(), ActivitySpanId.CreateRandom(), ActivityTraceFlags.Recorded,
            traceState: "a=b", isRemote: true);
        GenerateRequest request = new() { InputIds = new[] { 5 }, Sampling = Four };
        using (Activity near = new Activity("near").Start())
        {
            await engine.GenerateAsync(request);
            Assert.That(Activity.Current, Is.SameAs(near));
            Activity span = heard.WaitFor(1).Single();
            Assert.That((span.TraceId, span.ParentSpanId), Is.EqualTo((near.TraceId, near.SpanId)));
            Assert.That(span.Kind, Is.EqualTo(ActivityKind.Internal));
            await engine.GenerateAsync(request with { TraceParent = far });
        }
        Assert.That(Activity.Current, Is.Null);
        Activity under = heard.WaitFor(2)[1];
        Assert.That((under.TraceId, under.ParentSpanId, under.TraceStateString),
            Is.EqualTo((far.TraceId, far.SpanId, "a=b")));
        Assert.That(under.Kind, Is.EqualTo(ActivityKind.Server));
        Assert.That(heard.ChildrenOf(under), Has.Length.EqualTo(3));
    }

    [Test]
    public async Task Scores_refusals_and_failures_are_spans_too()
    {
        using HeardSpans heard = new();
        SlowClock clock = new();
        await using Engine engine = await Engine.StartAsync(EngineRig.Options() with { Clock = clock });
        EngineModel model = engine.Models[0];
        await model.ScoreAsync(new[] { 5, 6, 7 }, 1, new SamplingParams());
        Activity score = heard.WaitFor(1).Single();
        Assert.That(score.GetTagItem("gen_ai.operation.name"), Is.EqualTo("score"));
        Assert.That(heard.ChildrenOf(score).Select(part => part.DisplayName),
            Is.EqualTo(new[] { "queue", "prefill" }));
        TokenStream stream = model.Stream(new GenerateRequest
        {
            InputIds = new[] { 5 }, Sampling = Four with { MaxNewTokens = 1000 },
        });
        model.KillWorker(model.Workers[0].Name);
        clock.Release();
        Generation failed = await stream.Completion;
        Activity span = heard.WaitFor(2)[1];
        Assert.That(stream.Trace!.Value.SpanId, Is.EqualTo(span.SpanId));
        Assert.That(span.GetTagItem("error.type"), Is.EqualTo(failed.Error!.GetType().FullName));
        Assert.That(span.Status, Is.EqualTo(ActivityStatusCode.Error));
        Assert.That(() => model.Stream(new GenerateRequest { InputIds = new[] { 5 } }), Throws.Exception);
        Assert.That(heard.WaitFor(3)[2].Status, Is.EqualTo(ActivityStatusCode.Error));
    }

    [Test]
    public async Task A_listener_that_throws_harms_no_request()
    {
        using HeardSpans heard = new(onEnd: () => throw new InvalidOperationException("a listener's own"));
        await using Engine engine = await EngineRig.StartAsync();
        for (int i = 0; i < 3; i++)
        {
            Generation made = await engine.GenerateAsync(
                new GenerateRequest { InputIds = new[] { 5 }, Sampling = Four });
            Assert.That((made.FinishReason, made.OutputIds.Count), Is.EqualTo((FinishReason.Length, 4)));
        }
    }

    [Test]
    public async Task An_engine_that_ends_has_written_its_spans()
    {
        using HeardSpans heard = new(onEnd: () => Thread.Sleep(10));
        Engine engine = await EngineRig.StartAsync();
        TokenStream[] streams = [.. Enumerable.Range(0, 4).Select(_ => engine.Models[0].Stream(
            new GenerateRequest { InputIds = new[] { 5 }, Sampling = Four with { MaxNewTokens = 2000 } }))];
        await engine.DisposeAsync();
        Assert.That(streams.Select(stream => stream.Completion.IsCompleted), Has.All.True);
        Assert.That(heard.Requests, Has.Length.EqualTo(4));
    }

    [Test]
    public void Where_nobody_listens_nothing_is_made()
    {
        using RequestTracer tracer = new("m", TimeProvider.System);
        Request request = new()
        {
            Id = new(1), PromptTokens = new[] { 1 }, Sampling = Four, Seed = 1, StopTokenIds = [],
            PenaltyPromptCount = 1,
        };
        SequenceTimes times = new(1);
        tracer.Begin(request, times);
        long before = GC.GetAllocatedBytesForCurrentThread();
        Activity? span = tracer.Begin(request, times);
        times.Enter(SequenceStage.PrefillForward, 2);
        Assert.That(GC.GetAllocatedBytesForCurrentThread(), Is.EqualTo(before));
        Assert.That((span, times.Trail.Count), Is.EqualTo(((Activity?)null, 0)));
    }

    private static void AssertFills(Activity span, Activity[] parts)
    {
        DateTime at = span.StartTimeUtc;
        foreach (Activity part in parts)
        {
            Assert.That(part.StartTimeUtc, Is.EqualTo(at), part.DisplayName);
            Assert.That(part.Duration, Is.GreaterThan(TimeSpan.Zero));
            at = part.StartTimeUtc + part.Duration;
        }
        Assert.That(at, Is.EqualTo(span.StartTimeUtc + span.Duration));
    }
}
