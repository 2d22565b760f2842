namespace PdEngine.Tests;

/// <summary>Pauses, versions that requests ask for, and swaps under a sequence.</summary>
public sealed class PauseTests
{
    [Test]
    public async Task Requests_that_come_while_paused_wait([Values] PauseMode mode)
    {
        SlowClock clock = new();
        clock.Release();
        await using Engine engine = await Engine.StartAsync(
            UpdateRig.Options("reference") with { Clock = clock });
        EngineModel model = engine.Models[0];
        Generation[] expected = [.. await engine.GenerateAsync(Requests())];
        clock.Slow();
        Task<Generation>[] running = [.. Requests().Select(request => engine.GenerateAsync(request))];
        await model.PauseAsync(mode);
        clock.Release();
        Task<Generation> late = engine.GenerateAsync(UpdateRig.Request(50));
        long steps = model.Workers.Sum(worker => worker.Steps);
        await Task.Delay(30);
        Assert.That(model.Workers.Sum(worker => worker.Steps), Is.EqualTo(steps));
        Assert.That(late.IsCompleted, Is.False);
        if (mode == PauseMode.Abort)
            await Task.WhenAll(running).WaitAsync(TimeSpan.FromMinutes(1));
        if (mode != PauseMode.InPlace)
            Assert.That(model.LeakReport().Holders, Is.Zero);
        await model.ContinueAsync();
        Assert.That((await late).OutputIds, Has.Count.EqualTo(24));
        Generation[] ended = await Task.WhenAll(running);
        for (int i = 0; i < ended.Length; i++)
        {
            int count = ended[i].OutputIds.Count;
            Assert.That(ended[i].HasMixedKv, Is.False);
            EngineRig.AssertSameBits(
                [.. expected[i].OutputLogProbs.Take(count)], ended[i].OutputLogProbs, $"{mode}");
            Assert.That(mode == PauseMode.Abort || count == expected[i].OutputIds.Count);
        }
        await PdRig.AssertAllFreeAsync(engine, $"{mode}");

        static GenerateRequest[] Requests() =>
            [.. Enumerable.Range(0, 8).Select(seed => UpdateRig.Request(seed, newTokens: 40))];
    }

    [Test]
    public async Task A_request_waits_for_the_version_that_it_asks_for()
    {
        await using Engine engine = await Engine.StartAsync(UpdateRig.Options("reference"));
        EngineModel model = engine.Models[0];
        GenerateRequest any = UpdateRig.Request(1);
        Assert.That((await engine.GenerateAsync(any with { MinWeightVersion = "default" })).WeightVersion,
            Is.EqualTo("default"));
        Task<Generation> second = engine.GenerateAsync(any with { MinWeightVersion = "2" });
        Task<Generation> exact = engine.GenerateAsync(any with { ExactWeightVersion = "1" });
        TokenStream aborted = engine.Stream(any with { MinWeightVersion = "7" });
        TokenStream left = engine.Stream(any with { ExactWeightVersion = "9" });
        aborted.Abort();
        Assert.That((await aborted.Completion).FinishReason, Is.EqualTo(FinishReason.Abort));
        await UpdateAsync(model, 4);
        Assert.That((await exact).WeightVersion, Is.EqualTo("1"));
        Assert.That(second.IsCompleted, Is.False);
        await UpdateAsync(model, 3);
        Assert.That((await second).WeightVersion, Is.EqualTo("2"));
        Assert.ThrowsAsync<WeightVersionMismatchException>(
            () => engine.GenerateAsync(any with { ExactWeightVersion = "1" }));
        Assert.ThrowsAsync<RequestException>(() => engine.GenerateAsync(
            any with { ExactWeightVersion = "2", MinWeightVersion = "2" }));
        Assert.That((await engine.GenerateAsync(any with { ExactWeightVersion = "2" })).OutputIds,
            Has.Count.EqualTo(24));
        await engine.DisposeAsync();
        Assert.That((await left.Completion).FinishReason, Is.EqualTo(FinishReason.Abort));
    }

    [Test]
    public async Task An_exact_request_ends_when_its_weights_go()
    {
        SlowClock clock = new();
        await using Engine engine = await Engine.StartAsync(
            UpdateRig.Options("reference") with { Clock = clock });
        TokenStream stream = engine.Stream(
            UpdateRig.Request(1, newTokens: 1500) with { ExactWeightVersion = "default" });
        await foreach (TokenChunk _ in stream)
            break;
        await UpdateAsync(engine.Models[0], 4);
        clock.Release();
        Generation ended = await stream.Completion;
        Assert.That(ended.FinishReason, Is.EqualTo(FinishReason.Abort));
        Assert.That(ended.Error, Is.TypeOf<WeightVersionMismatchException>());
        Assert.That(ended.WeightVersions, Has.Count.EqualTo(1));
    }

    [Test]
    public async Task Scores_are_of_the_version_asked_for()
    {
        await using Engine engine = await Engine.StartAsync(UpdateRig.Options("reference"));
        EngineModel model = engine.Models[0];
        GenerateRequest request = UpdateRig.Request(1);
        Generation made = await engine.GenerateAsync(request);
        IReadOnlyList<TokenLogProb> scored = await model.ScoreAsync(made, request.Sampling);
        EngineRig.AssertSameBits(
            made.OutputLogProbs, [.. scored.Skip(made.PromptIds.Length)], "score of a rollout");
        await UpdateAsync(model, 4);
        Assert.ThrowsAsync<WeightVersionMismatchException>(() => model.ScoreAsync(made, request.Sampling));
        Assert.ThrowsAsync<WeightVersionMismatchException>(
            () => model.ScoreAsync(made.PromptIds, 1, request.Sampling, "default"));
        Assert.That(await model.ScoreAsync(made.PromptIds, 1, request.Sampling, "1"), Is.Not.Empty);
    }

    [Test]
    public async Task A_swap_in_place_gives_what_the_same_swap_at_the_same_token_gives(
        [ValueSource(typeof(PdRig), nameof(PdRig.Backends))] string backend, [Values] KvDomainKind domain)
    {
        SlowClock clock = new();
        await using Engine engine = await Engine.StartAsync(
            UpdateRig.Options(backend, domain) with { Clock = clock });
        GenerateRequest request = UpdateRig.Request(7, newTokens: 400);
        TokenStream stream = engine.Stream(request);
        await foreach (TokenChunk _ in stream)
            break;
        using WeightUpdate update = UpdateRig.Buckets(4);
        await engine.Models[0].UpdateWeightsAsync(update, new() { Mode = PauseMode.InPlace });
        clock.Release();
        Generation made = await stream.Completion;
        Assert.That(made.WeightVersions.Select(run => run.Version), Is.EqualTo(new[] { "default", "1" }));
        Assert.That(made.HasMixedKv, Is.True);
        int swapAt = made.WeightVersions[0].Tokens;
        using SwappedAlone alone = new(backend);
        EngineRig.AssertSameBits(
            made.OutputLogProbs, alone.Generate(request, swapAt), $"swap after {swapAt} tokens");
        Assert.That(alone.Generate(request, swapAt + 1).Select(one => one.LogProb),
            Is.Not.EqualTo(made.OutputLogProbs.Select(one => one.LogProb)));
    }

    [Test]
    public async Task A_name_passes_on_while_nothing_was_made_of_its_weights()
    {
        await using Engine engine = await Engine.StartAsync(UpdateRig.Options("reference"));
        EngineModel model = engine.Models[0];
        await model.PauseAsync(PauseMode.Retract);
        Task<Generation> late = engine.GenerateAsync(UpdateRig.Request(99) with { ExactWeightVersion = "7" });
        foreach (int seed in (int[])[4, 5])
        {
            using WeightUpdate update = UpdateRig.Buckets(seed, "7");
            await model.UpdateWeightsAsync(update);
        }
        Assert.That((model.WeightVersion, model.UpdatesSince("default")), Is.EqualTo(("7", 1)));
        using (WeightUpdate first = UpdateRig.Buckets(4, "default"))
            Assert.ThrowsAsync<WeightUpdateException>(() => model.UpdateWeightsAsync(first));
        await model.ContinueAsync();
        await using Engine fresh = await UpdateRig.FreshAsync("reference", 5);
        EngineRig.AssertSameBits(await UpdateRig.PrintAsync(fresh), (await late).OutputLogProbs, "the last");

        using WeightUpdate again = UpdateRig.Buckets(4, "7");
        await model.PauseAsync(PauseMode.Retract);
        WeightUpdateException? refusal =
            Assert.ThrowsAsync<WeightUpdateException>(() => model.UpdateWeightsAsync(again));
        Assert.That(refusal!.Message, Does.Contain("used before").And.Contain("paused"));
    }

    [Test]
    public async Task A_worker_that_is_restarted_has_the_weights_of_now()
    {
        await using Engine engine = await Engine.StartAsync(UpdateRig.Options("reference"));
        EngineModel model = engine.Models[0];
        foreach (string name in model.Workers.Select(worker => worker.Name).ToArray())
            model.KillWorker(name);
        await UpdateAsync(model, 4);
        await model.PauseAsync(PauseMode.Retract);
        foreach (string name in model.Workers.Select(worker => worker.Name).ToArray())
            model.RestartWorker(name);
        Task<Generation> late = engine.GenerateAsync(UpdateRig.Request(99));
        await Task.Delay(20);
        Assert.That(late.IsCompleted, Is.False);
        await model.ContinueAsync();
        await using Engine fresh = await UpdateRig.FreshAsync("reference", 4);
        EngineRig.AssertSameBits(
            await UpdateRig.PrintAsync(fresh), (await late).OutputLogProbs, "restarted");
    }

    private static async Task UpdateAsync(EngineModel model, int seed)
    {
        using WeightUpdate update = UpdateRig.Buckets(seed);
        await model.UpdateWeightsAsync(update);
    }
}
