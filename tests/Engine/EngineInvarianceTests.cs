namespace PdEngine.Tests;

/// <summary>What a request gets depends on nothing but the request.</summary>
public sealed class EngineInvarianceTests
{
    private static readonly GenerateRequest[] Requests = EngineRig.Requests(64, seed: 5);
    private Generation[] _alone = [];

    [OneTimeSetUp]
    public async Task RunEachAlone() => _alone = await EngineRig.OneByOneAsync(EngineRig.Options(), Requests);

    [Test]
    public void The_requests_end_in_several_ways_and_say_different_things()
    {
        Assert.That(_alone.Select(one => one.FinishReason).Distinct().Count(), Is.GreaterThan(1));
        Assert.That(_alone.SelectMany(one => one.OutputIds).Distinct().Count(), Is.GreaterThan(100));
        Assert.That(_alone.Count(one => one.InputLogProbs.Count > 10), Is.GreaterThan(3));
    }

    [TestCase(1)]
    [TestCase(2)]
    [TestCase(7)]
    [TestCase(32)]
    [TestCase(64)]
    public async Task Requests_at_once_get_what_they_get_alone(int count)
    {
        await using Engine engine = await EngineRig.StartAsync();
        Generation[] together = await EngineRig.AtOnceAsync(engine, Requests[..count], seed: count);
        EngineRig.AssertSame(_alone[..count], together, $"{count} at once");
    }

    [TestCase(1)]
    [TestCase(7)]
    [TestCase(64)]
    [TestCase(512)]
    public Task Chunk_size_changes_nothing(int chunk) =>
        AssertSameAsync(options => options with { ChunkedPrefillSize = chunk });

    [TestCase(1)]
    [TestCase(8)]
    [TestCase(256)]
    public Task Page_size_changes_nothing(int page) =>
        AssertSameAsync(options => options with { PageSize = page });

    [TestCase(1)]
    [TestCase(3)]
    public Task Number_of_running_requests_changes_nothing(int count) =>
        AssertSameAsync(options => options with { MaxRunningRequests = count });

    [Test]
    public Task Number_of_threads_changes_nothing() =>
        AssertSameAsync(options => options with { ThreadCount = 1 });

    [Test]
    public async Task A_second_run_out_of_the_cache_changes_nothing()
    {
        await using Engine engine = await Engine.StartAsync(EngineRig.Options() with { PageSize = 16 });
        await EngineRig.AtOnceAsync(engine, Requests, seed: 1);
        Generation[] cached = await EngineRig.AtOnceAsync(engine, Requests, seed: 2);
        EngineRig.AssertSame(_alone, cached, "from the cache");
        Assert.That(cached.Sum(one => one.CachedTokens), Is.GreaterThan(100));
    }

    [TestCase(13)]
    [TestCase(20)]
    public async Task Retractions_in_a_small_pool_change_nothing(int blocks)
    {
        await using Engine engine = await Engine.StartAsync(
            EngineRig.Options() with { PageSize = 16, MaxTotalTokens = blocks * 16 });
        Generation[] squeezed = await EngineRig.AtOnceAsync(engine, Requests, seed: blocks);
        EngineRig.AssertSame(_alone, squeezed, $"{blocks} blocks");
        Assert.That(engine.Metrics.Retractions, Is.GreaterThan(0), "nothing was squeezed");
        Assert.That(engine.Metrics.FreeBlocks + engine.Metrics.CachedBlocks, Is.EqualTo(blocks));
    }

    [Test]
    public async Task Seeds_reproduce_and_differ()
    {
        GenerateRequest request = new()
        {
            InputIds = new[] { 5, 6, 7 },
            Sampling = new SamplingParams { MaxNewTokens = 20, SamplingSeed = 9 },
        };
        await using Engine engine = await EngineRig.StartAsync();
        Generation first = await engine.GenerateAsync(request);
        EngineRig.AssertSame(first, await engine.GenerateAsync(request), "same seed");
        Generation other = await engine.GenerateAsync(
            request with { Sampling = request.Sampling with { SamplingSeed = 10 } });
        Assert.That(other.OutputIds, Is.Not.EqualTo(first.OutputIds));
    }

    [Test]
    public async Task Requests_without_a_seed_draw_by_the_engines_seed_and_their_number()
    {
        GenerateRequest request = new() { InputIds = new[] { 5, 6, 7 } };
        Generation[] runs = new Generation[3];
        foreach ((int run, ulong seed) in new[] { (0, 1UL), (1, 1UL), (2, 2UL) })
        {
            await using Engine engine = await Engine.StartAsync(EngineRig.Options() with { Seed = seed });
            runs[run] = await engine.GenerateAsync(request);
            Generation next = await engine.GenerateAsync(request);
            Assert.That(
                next.OutputIds, Is.Not.EqualTo(runs[run].OutputIds), "the second request drew the same");
        }
        EngineRig.AssertSame(runs[0], runs[1], "same engine seed");
        Assert.That(runs[2].OutputIds, Is.Not.EqualTo(runs[0].OutputIds));
    }

    [Test]
    [Category("Goldens")]
    public async Task Golden_models_give_the_same_alone_at_once_and_squeezed()
    {
        foreach (string folder in Directory.GetDirectories(TestFiles.Golden("models"))
            .Order(StringComparer.Ordinal))
        {
            if (!File.Exists(Path.Combine(folder, "config.json")) || !TinyGoldens.IsDense(folder))
                continue;
            string name = Path.GetFileName(folder);
            EngineOptions options = EngineRig.Options(folder) with { MaxTotalTokens = 4096 };
            int vocabulary = TinyGoldens.Config(folder).GetProperty("vocab_size").GetInt32();
            GenerateRequest[] requests = EngineRig.Requests(12, seed: 8, vocabulary);
            Generation[] alone = await EngineRig.OneByOneAsync(options, requests);
            await using Engine engine = await Engine.StartAsync(
                options with { PageSize = 16, MaxTotalTokens = 208, ChunkedPrefillSize = 50 });
            EngineRig.AssertSame(alone, await EngineRig.AtOnceAsync(engine, requests, seed: 1), name);
        }
    }

    private async Task AssertSameAsync(Func<EngineOptions, EngineOptions> change)
    {
        EngineOptions options = change(EngineRig.Options());
        await using Engine engine = await Engine.StartAsync(options);
        EngineRig.AssertSame(_alone, await EngineRig.AtOnceAsync(engine, Requests, seed: 3), $"{options}");
    }
}
