using System.Collections.Concurrent;

namespace PdEngine.Tests;

/// <summary>
/// Updates while requests run: nothing is lost, no token says a version that did not make it.
/// </summary>
public sealed class UpdateLoadTests
{
    private const int ClientCount = 12;

    /// <summary>Generations whose every log-prob is compared with a fresh engine's.</summary>
    private const int JudgedCount = 60;

    /// <summary>With mixed K and V, compared with a worker that swaps weights at the same tokens.</summary>
    private const int ReplayedCount = 20;

    [Test]
    public Task A_hundred_updates_under_load_lose_nothing(
        [ValueSource(typeof(PdRig), nameof(PdRig.Backends))] string backend, [Values] KvDomainKind domain,
        [Values] PauseMode mode) =>
        UpdateAsync(backend, domain, mode, updateCount: 100);

    /// <summary>On the fastest of the machine's backends.</summary>
    [Test]
    public Task A_thousand_updates_under_load_lose_nothing([Values] PauseMode mode) =>
        UpdateAsync(
            PdRig.Backends().Last(
                name => TestBackends.All().Any(backend => backend.Name == name && backend.Open is not null)),
            KvDomainKind.Host, mode, updateCount: 1000);

    private static async Task UpdateAsync(
        string backend, KvDomainKind domain, PauseMode mode, int updateCount)
    {
        // Whole prompts: a swap between two parts of one is nowhere to be seen in what comes of it.
        SlowClock clock = new();
        clock.Release();
        await using Engine engine = await Engine.StartAsync(
            UpdateRig.Options(backend, domain) with { ChunkedPrefillSize = 1024, Clock = clock });
        EngineModel model = engine.Models[0];
        ConcurrentBag<(int Seed, Generation Made)> ended = [];
        using CancellationTokenSource stop = new();
        Task[] clients = [.. Enumerable.Range(0, ClientCount).Select(client => Task.Run(async () =>
        {
            for (int seed = client * 100_000; !stop.IsCancellationRequested; seed++)
                ended.Add((seed, await engine.GenerateAsync(UpdateRig.Request(seed))));
        }))];
        using WeightUpdate odd = UpdateRig.Buckets(4), even = UpdateRig.Buckets(3);
        for (int update = 1; update <= updateCount; update++)
        {
            bool stages = update % 3 != 0, isBeside = !stages && !ended.Any(one => IsSplit(one.Made, mode));
            if (isBeside)
                await BeginAsync(model, clock);
            WeightUpdateReport report = await model.UpdateWeightsAsync(
                update % 2 == 1 ? odd : even, new() { Mode = mode, Stages = stages });
            Assert.That(report.Version, Is.EqualTo($"{update}"));
            clock.Release();
            if (isBeside)
                await EndAsync(ended.Count + (2 * ClientCount));
        }
        await EndAsync(ended.Count + (2 * ClientCount));
        await stop.CancelAsync();
        await Task.WhenAll(clients).WaitAsync(TimeSpan.FromMinutes(1));
        Generation[] all = [.. ended.Select(one => one.Made)];
        foreach (Generation one in all)
            AssertVersions(one, mode);
        if (mode != PauseMode.Abort)
            Assert.That(all.Count(one => one.WeightVersions.Count > 1), Is.GreaterThan(0));
        await AssertLogProbsAsync(backend, all);
        AssertReplays(backend, mode, [.. ended]);
        TestContext.Out.WriteLine(
            $"{all.Length} generations, {all.Count(one => one.HasMixedKv)} with mixed K and V, "
            + $"{all.Count(one => one.FinishReason == FinishReason.Abort)} aborted");
        await PdRig.AssertAllFreeAsync(engine, $"{backend}, {mode}");

        Task EndAsync(int count) =>
            UntilAsync(() => ended.Count >= count || clients.Any(client => client.IsFaulted));
    }

    /// <summary>Requests that the machine would have done between two updates are made to last.</summary>
    private static Task BeginAsync(EngineModel model, SlowClock clock)
    {
        clock.Slow();
        return UntilAsync(() => model.Workers.Any(worker => worker.Decoding > 0));
    }

    private static async Task UntilAsync(Func<bool> holds)
    {
        using CancellationTokenSource late = new(TimeSpan.FromMinutes(1));
        while (!holds())
            await Task.Delay(1, late.Token);
    }

    /// <summary>Whether it shows what a swap does to a request.</summary>
    private static bool IsSplit(Generation one, PauseMode mode) => mode switch
    {
        PauseMode.Abort => one.OutputIds.Count > 0,
        PauseMode.InPlace => one.HasMixedKv && IsGapless(one),
        _ => one.WeightVersions.Count > 1,
    };

    private static void AssertVersions(Generation one, PauseMode mode)
    {
        Assert.That(one.Error, Is.Null);
        Assert.That(one.FinishReason, Is.EqualTo(FinishReason.Length).Or.EqualTo(
            mode == PauseMode.Abort ? FinishReason.Abort : FinishReason.Length));
        Assert.That(one.WeightVersions.Sum(run => run.Tokens), Is.EqualTo(one.OutputIds.Count));
        int[] versions = [.. one.WeightVersions.Select(run => Number(run.Version))];
        Assert.That(versions, Is.Ordered.Ascending);
        Assert.That(versions, Is.Unique);
        Assert.That(one.HasMixedKv, Is.False.Or.EqualTo(mode == PauseMode.InPlace));
        if (one.OutputIds.Count > 0)
            Assert.That(one.WeightVersion, Is.EqualTo(one.WeightVersions[^1].Version));
    }

    /// <summary>Each token has the log-prob that its own version gives it after the same tokens.</summary>
    private static async Task AssertLogProbsAsync(string backend, Generation[] all)
    {
        Generation[] judged = [.. all.Where(one => !one.HasMixedKv && one.OutputIds.Count > 0)
            .OrderByDescending(one => one.WeightVersions.Count).Take(JudgedCount)];
        Assert.That(judged.Length > 0 || all.Any(one => one.HasMixedKv));
        await using Engine odd = await UpdateRig.FreshAsync(backend, seed: 4);
        await using Engine even = await UpdateRig.FreshAsync(backend, seed: 3);
        foreach (Generation one in judged)
        {
            int[] tokens = [.. one.PromptIds.Span, .. one.OutputIds];
            SamplingParams sampling = new();
            int first = 0;
            foreach (WeightVersionRun run in one.WeightVersions)
            {
                Engine fresh = Number(run.Version) % 2 == 1 ? odd : even;
                int start = one.PromptIds.Length + first;
                IReadOnlyList<TokenLogProb> scored = await fresh.ScoreAsync(
                    tokens.AsMemory(0, start + run.Tokens), one.PromptIds.Length, sampling);
                EngineRig.AssertSameBits(
                    [.. scored.Skip(start)], [.. one.OutputLogProbs.Skip(first).Take(run.Tokens)],
                    $"{one.Id}, version {run.Version}");
                first += run.Tokens;
            }
        }
    }

    /// <summary>Mixed K and V give what the same swaps at the same tokens give.</summary>
    private static void AssertReplays(string backend, PauseMode mode, (int Seed, Generation Made)[] all)
    {
        // Where a version made no token, nothing says when it came.
        (int Seed, Generation Made)[] replayed = [.. all
            .Where(one => one.Made.HasMixedKv && IsGapless(one.Made))
            .OrderByDescending(one => one.Made.WeightVersions.Count).Take(ReplayedCount)];
        Assert.That(replayed.Length > 0, Is.EqualTo(mode == PauseMode.InPlace));
        using SwappedAlone alone = new(backend);
        foreach ((int seed, Generation made) in replayed)
        {
            List<int> swapsAt = [];
            int tokens = 0;
            foreach (WeightVersionRun run in made.WeightVersions.SkipLast(1))
                swapsAt.Add(tokens += run.Tokens);
            int first = Number(made.WeightVersions[0].Version) % 2;
            EngineRig.AssertSameBits(
                made.OutputLogProbs, alone.Generate(UpdateRig.Request(seed), first, swapsAt),
                $"request {seed}, swaps after {string.Join(", ", swapsAt)}");
        }
    }

    private static bool IsGapless(Generation one)
    {
        int[] versions = [.. one.WeightVersions.Select(run => Number(run.Version))];
        return versions.Length > 1 && versions[^1] - versions[0] == versions.Length - 1;
    }

    private static int Number(string version) => version == UpdateRig.First
        ? 0
        : int.Parse(version, System.Globalization.CultureInfo.InvariantCulture);
}
