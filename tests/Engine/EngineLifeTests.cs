namespace PdEngine.Tests;

/// <summary>Aborting, cancelling and disposing of an engine that is at work.</summary>
[CancelAfter(60_000)]
public sealed class EngineLifeTests
{
    /// <summary>Slow enough that nothing ends before it is aborted.</summary>
    private static EngineOptions Slow => Reference with { Clock = new SlowClock() };

    private static EngineOptions Reference => EngineRig.Options() with { Backend = BackendKind.Reference };

    private static GenerateRequest Long(int tokens = 1900) => new()
    {
        InputIds = new[] { 11, 12, 13 }, ReturnLogProb = true, LogProbStartLen = 0,
        Sampling = new SamplingParams { MaxNewTokens = tokens, IgnoreEos = true },
    };

    [Test]
    public async Task An_abort_mid_way_gives_what_there_is_with_its_log_probs()
    {
        await using Engine engine = await Engine.StartAsync(Slow);
        TokenStream stream = engine.Stream(Long());
        await foreach (TokenChunk _ in stream)
            break;
        engine.Abort(stream.Id);
        Generation partial = await stream.Completion;
        Assert.That(partial.FinishReason, Is.EqualTo(FinishReason.Abort));
        Assert.That(partial.OutputIds, Has.Count.InRange(1, 1899));
        Assert.That(partial.OutputLogProbs, Has.Count.EqualTo(partial.OutputIds.Count));
        Assert.That(partial.InputLogProbs, Has.Count.EqualTo(3));
        Assert.That(partial.Error, Is.Null);
        engine.Abort(stream.Id);
        await AssertServesAsync(engine);
    }

    [Test]
    public async Task An_aborted_rollout_goes_on_where_it_was()
    {
        await using Engine engine = await Engine.StartAsync(Reference);
        SamplingParams sampling = new() { MaxNewTokens = 60, SamplingSeed = 3, IgnoreEos = true };
        GenerateRequest request = new() { InputIds = new[] { 4, 5, 6 }, Sampling = sampling };
        Generation whole = await engine.GenerateAsync(request);
        int[] grown = [4, 5, 6, .. whole.OutputIds.Take(25)];
        Generation rest = await engine.GenerateAsync(
            new GenerateRequest { InputIds = grown, Sampling = sampling with { MaxNewTokens = 35 } });
        Assert.That(rest.OutputIds, Is.EqualTo(whole.OutputIds.Skip(25)));
    }

    [Test]
    public async Task Cancelling_a_generation_throws_and_frees_its_blocks()
    {
        await using Engine engine = await Engine.StartAsync(Slow);
        using CancellationTokenSource cancellation = new();
        Task<Generation> task = engine.GenerateAsync(Long(), cancellation.Token);
        await cancellation.CancelAsync();
        Assert.CatchAsync<OperationCanceledException>(() => task);
        Assert.CatchAsync<OperationCanceledException>(() => engine.GenerateAsync(Long(), cancellation.Token));
        await AssertServesAsync(engine);
        Assert.That(engine.Metrics.RunningRequests, Is.Zero);
    }

    [Test]
    public async Task Cancelling_a_reader_of_a_stream_throws_there_and_aborts()
    {
        await using Engine engine = await Engine.StartAsync(Slow);
        using CancellationTokenSource cancellation = new();
        TokenStream stream = engine.Stream(Long());
        Assert.CatchAsync<OperationCanceledException>(async () =>
        {
            await foreach (TokenChunk _ in stream.WithCancellation(cancellation.Token))
                await cancellation.CancelAsync();
        });
        Assert.That((await stream.Completion).FinishReason, Is.EqualTo(FinishReason.Abort));
    }

    [Test]
    public async Task Abort_all_ends_the_running_and_the_waiting()
    {
        await using Engine engine =
            await Engine.StartAsync(Slow with { MaxRunningRequests = 4 });
        TokenStream[] streams = [.. Enumerable.Range(0, 30).Select(_ => engine.Stream(Long()))];
        await foreach (TokenChunk _ in streams[0])
            break;
        engine.AbortAll();
        Generation[] ended = await Task.WhenAll(streams.Select(stream => stream.Completion));
        Assert.That(ended.Select(one => one.FinishReason), Is.All.EqualTo(FinishReason.Abort));
        Assert.That(ended[0].OutputIds, Is.Not.Empty);
        Assert.That(ended[29].OutputIds, Is.Empty);
        Assert.That(ended[29].InputLogProbs, Has.Count.EqualTo(1), "of a prompt that was never computed");
        await AssertServesAsync(engine);
    }

    [Test]
    public async Task Disposing_completes_every_stream_and_refuses_more()
    {
        Engine engine = await Engine.StartAsync(Slow with { MaxRunningRequests = 4 });
        TokenStream[] streams = [.. Enumerable.Range(0, 20).Select(_ => engine.Stream(Long()))];
        await foreach (TokenChunk _ in streams[0])
            break;
        await Task.WhenAll(engine.DisposeAsync().AsTask(), engine.DisposeAsync().AsTask());
        Generation[] ended = await Task.WhenAll(streams.Select(stream => stream.Completion));
        Assert.That(ended.Select(one => one.FinishReason), Is.All.EqualTo(FinishReason.Abort));
        Assert.That(ended[0].OutputLogProbs, Has.Count.EqualTo(ended[0].OutputIds.Count));
        Assert.Throws<ObjectDisposedException>(() => engine.Stream(Long()));
        Assert.ThrowsAsync<ObjectDisposedException>(() => engine.GenerateAsync(Long()));
        engine.Abort(streams[0].Id);
        engine.AbortAll();
        engine.FlushCache();
        streams[1].Abort();
    }

    [Test]
    public async Task Random_aborts_and_cancellations_lose_no_block([Range(1, 3)] int seed)
    {
        Random random = new(seed);
        await using Engine engine = await Engine.StartAsync(
            EngineRig.Options() with { PageSize = 8, MaxTotalTokens = 800, ChunkedPrefillSize = 16 });
        GenerateRequest[] requests = EngineRig.Requests(60, seed);
        List<TokenStream> streams = [];
        foreach (GenerateRequest request in requests)
        {
            streams.Add(engine.Stream(request));
            if (random.Next(2) == 0)
                streams[random.Next(streams.Count)].Abort();
            if (random.Next(10) == 0)
                await Task.Yield();
        }
        Generation[] ended = await Task.WhenAll(streams.Select(stream => stream.Completion));
        Assert.That(ended.Select(one => one.Error), Is.All.Null, $"seed {seed}");
        engine.FlushCache();
        await AssertServesAsync(engine);
        engine.FlushCache();
        Assert.That(() => engine.Metrics.FreeBlocks, Is.EqualTo(100).After(60_000, 10), $"seed {seed}");
    }

    [Test]
    public void Cancelling_a_start_ends_it()
    {
        using CancellationTokenSource cancellation = new();
        cancellation.Cancel();
        Assert.CatchAsync<OperationCanceledException>(
            () => Engine.StartAsync(EngineRig.Options(), cancellation.Token));
    }

    [Test]
    public async Task Loading_tells_how_far_it_is()
    {
        List<LoadProgress> heard = [];
        await using (await Engine.StartAsync(EngineRig.Options() with { Progress = new Heard(heard) }))
        {
        }
        Assert.That(heard, Is.Not.Empty);
        Assert.That(heard.Select(value => value.LoadedParameters), Is.Ordered);
        Assert.That(heard[^1].LoadedParameters, Is.EqualTo(heard[^1].TotalParameters));
    }

    private static async Task AssertServesAsync(Engine engine)
    {
        Generation answer = await engine.GenerateAsync(Long(tokens: 3));
        Assert.That(answer.OutputIds, Has.Count.EqualTo(3));
    }

    private sealed class Heard(List<LoadProgress> heard) : IProgress<LoadProgress>
    {
        public void Report(LoadProgress value) => heard.Add(value);
    }
}
