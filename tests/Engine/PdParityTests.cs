namespace PdEngine.Tests;

/// <summary>
/// Where a request is computed, and how it gets there, changes no token, no text and no bit of a log-prob.
/// </summary>
[CancelAfter(120_000)]
public sealed class PdParityTests
{
    private const int TensorParallelCount = 16;

    [Test]
    public async Task The_requests_end_in_every_way()
    {
        Generation[] alone = await PdRig.AloneAsync("", PdRig.Mixed);
        Assert.That(alone.Count(one => one.OutputIds.Count == 1), Is.GreaterThan(1));
        Assert.That(alone.Count(one => one.MatchedStopText is not null), Is.GreaterThan(2));
        Assert.That(alone.Count(one => one.MatchedStopId is not null), Is.GreaterThan(2));
        Assert.That(alone.Count(one => one.FinishReason == FinishReason.Length), Is.GreaterThan(10));
        Assert.That(alone.Count(one => one.InputLogProbs.Count > 10), Is.GreaterThan(3));
        Assert.That(alone.Count(one => one.OutputLogProbs.Any(entry => entry.Top.Count > 0)),
            Is.GreaterThan(5));
    }

    [Test]
    public async Task A_hand_off_changes_nothing(
        [ValueSource(typeof(PdRig), nameof(PdRig.Backends))] string backend,
        [Values("1P+1D", "1P+3D", "2P+2D")] string shape, [Values] KvDomainKind domain, [Values] bool lends)
    {
        Generation[] alone = await PdRig.AloneAsync(backend, PdRig.Mixed);
        EngineOptions options = PdRig.Options(shape, DisaggregateMode.Always, domain, backend);
        await using Engine engine = await Engine.StartAsync(options with { LendsCores = lends });
        int cached = 0;
        foreach (int count in new[] { 64, 64, 7, 1 })
        {
            Generation[] apart = await EngineRig.AtOnceAsync(engine, PdRig.Mixed[..count], seed: count);
            EngineRig.AssertSame(alone[..count], apart, $"{count} at once");
            PdRig.AssertPath(apart, PdRig.PathOf(domain), $"{count} at once");
            cached = apart.Sum(one => one.CachedTokens);
        }
        Assert.That(cached, Is.GreaterThan(0), "nothing came from the cache");
        await PdRig.AssertAllFreeAsync(engine, shape);
    }

    [TestCase("1P+1D", DisaggregateMode.Auto, KvDomainKind.Host)]
    [TestCase("1P+1D", DisaggregateMode.Auto, KvDomainKind.Device)]
    [TestCase("2P+2D", DisaggregateMode.Auto, KvDomainKind.Host)]
    [TestCase("1P+3D", DisaggregateMode.Auto, KvDomainKind.Device)]
    [TestCase("1P+3D", DisaggregateMode.Never, KvDomainKind.Host)]
    [TestCase("2P+2D", DisaggregateMode.Never, KvDomainKind.Device)]
    [TestCase("2R", DisaggregateMode.Auto, KvDomainKind.Host)]
    [TestCase("2R", DisaggregateMode.Auto, KvDomainKind.Device)]
    [TestCase("2Rx2", DisaggregateMode.Auto, KvDomainKind.Device)]
    [TestCase("1Rx4", DisaggregateMode.Auto, KvDomainKind.Host)]
    public async Task The_choice_of_path_changes_nothing(
        string shape, DisaggregateMode mode, KvDomainKind domain)
    {
        Generation[] alone = await PdRig.AloneAsync("", PdRig.Mixed);
        await using Engine engine = await Engine.StartAsync(PdRig.Options(shape, mode, domain));
        HashSet<PdPath> paths = [];
        foreach (int count in new[] { 1, 7, 64, 64 })
        {
            Generation[] chosen = await EngineRig.AtOnceAsync(engine, PdRig.Mixed[..count], seed: count + 1);
            EngineRig.AssertSame(alone[..count], chosen, $"{count} at once");
            paths.UnionWith(chosen.Select(one => one.PdPath));
        }
        bool isLocal = mode == DisaggregateMode.Never || shape.Contains('R', StringComparison.Ordinal);
        Assert.That(paths, Is.EquivalentTo(
            isLocal ? [PdPath.Local] : new[] { PdPath.Local, PdRig.PathOf(domain) }));
    }

    [Test]
    public async Task The_number_of_ranks_on_either_side_changes_nothing(
        [ValueSource(typeof(PdRig), nameof(PdRig.Backends))] string backend,
        [Values(1, 2, 4)] int prefill, [Values(1, 2, 4)] int decode, [Values] KvDomainKind domain)
    {
        Generation[] alone = await PdRig.AloneAsync(backend, PdRig.Mixed);
        EngineOptions options = PdRig.Options(
            $"1Px{prefill}+1Dx{decode}", DisaggregateMode.Always, domain, backend);
        await using Engine engine = await Engine.StartAsync(options);
        for (int run = 0; run < 2; run++)
        {
            Generation[] apart =
                await EngineRig.AtOnceAsync(engine, PdRig.Mixed[..TensorParallelCount], seed: run);
            EngineRig.AssertSame(alone[..TensorParallelCount], apart, $"run {run}");
            PdRig.AssertPath(apart, PdRig.PathOf(domain), $"run {run}");
        }
        await PdRig.AssertAllFreeAsync(engine, $"{prefill} to {decode}");
    }

    [TestCase(KvDomainKind.Host)]
    [TestCase(KvDomainKind.Device)]
    public async Task Emulated_tiles_make_no_difference_either(KvDomainKind domain)
    {
        const string backend = "amx-emulated";
        GenerateRequest[] requests = PdRig.Mixed[..8];
        Generation[] alone = await PdRig.AloneAsync(backend, requests);
        await using Engine engine = await Engine.StartAsync(
            PdRig.Options("1Px2+1Dx4", DisaggregateMode.Always, domain, backend));
        Generation[] apart = await EngineRig.AtOnceAsync(engine, requests, seed: 1);
        EngineRig.AssertSame(alone, apart, backend);
        PdRig.AssertPath(apart, PdRig.PathOf(domain), backend);
    }

    [Test]
    public async Task Page_and_chunk_sizes_change_nothing(
        [Values(1, 16, 64)] int page, [Values(7, 64, -1)] int chunk, [Values] KvDomainKind domain)
    {
        Generation[] alone = await PdRig.AloneAsync("", PdRig.Mixed);
        EngineOptions options = PdRig.Options(
            "1P+1D", DisaggregateMode.Always, domain,
            overrides: $"page_size: {page}, chunked_prefill_size: {chunk}");
        await using Engine engine = await Engine.StartAsync(options);
        Assert.That(engine.Metrics.PageSize, Is.EqualTo(page));
        for (int run = 0; run < 2; run++)
        {
            Generation[] apart = await EngineRig.AtOnceAsync(engine, PdRig.Mixed[..32], seed: page + chunk);
            EngineRig.AssertSame(alone[..32], apart, $"run {run}");
            PdRig.AssertPath(apart, PdRig.PathOf(domain), $"run {run}");
        }
        await PdRig.AssertAllFreeAsync(engine, $"{page}, {chunk}");
    }

    [Test]
    public async Task Retractions_change_nothing(
        [Values("1P+1D", "2P+2D", "1Px2+1D", "1P+1Dx4")] string shape, [Values] KvDomainKind domain,
        [Values] bool caches)
    {
        Generation[] alone = await PdRig.AloneAsync("", PdRig.Mixed);
        // The longest request takes 13 blocks; admission is told to expect next to nothing of the others.
        EngineOptions options = PdRig.Options(
            shape, DisaggregateMode.Always, domain,
            overrides: "max_total_tokens: 256, schedule_conservativeness: 0.05, "
                + "num_reserved_decode_tokens: 0");
        await using Engine engine = await Engine.StartAsync(options with { DisableRadixCache = !caches });
        int retractions = 0;
        for (int run = 0; run < 3; run++)
        {
            Generation[] apart = await EngineRig.TogetherAsync(engine, PdRig.Mixed, seed: run);
            EngineRig.AssertSame(alone, apart, $"run {run}");
            Assert.That(apart.Where(one => one.RetractionCount == 0 && one.OutputIds.Count > 1)
                .Select(one => one.PdPath), Is.All.EqualTo(PdRig.PathOf(domain)));
            PdRig.AssertTimes(apart, $"run {run}");
            retractions += apart.Sum(one => one.RetractionCount);
        }
        Assert.That(retractions, Is.GreaterThan(0), "nothing was squeezed");
        Assert.That(engine.Metrics.Retractions, Is.EqualTo(retractions));
        await PdRig.AssertAllFreeAsync(engine, shape);
    }

    [Test]
    public async Task Scores_are_those_of_one_worker(
        [Values("1P+1D", "2R", "1Px4+2Dx2")] string shape, [Values] KvDomainKind domain)
    {
        int[] tokens = EngineRig.Ids(new Random(3), 150);
        SamplingParams sampling = new() { Temperature = 0.7f, RepetitionPenalty = 1.2f };
        await using Engine one = await EngineRig.StartAsync();
        IReadOnlyList<TokenLogProb> expected = await one.ScoreAsync(tokens, 100, sampling);
        await using Engine engine = await Engine.StartAsync(
            PdRig.Options(shape, DisaggregateMode.Always, domain));
        for (int run = 0; run < 2; run++)
        {
            EngineRig.AssertSameBits(
                expected, await engine.ScoreAsync(tokens, 100, sampling), $"run {run}");
        }
        await PdRig.AssertAllFreeAsync(engine, shape);
    }
}
