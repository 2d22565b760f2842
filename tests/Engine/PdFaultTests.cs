namespace PdEngine.Tests;

/// <summary>Workers that fail while they serve, on their own threads.</summary>
[CancelAfter(120_000)]
public sealed class PdFaultTests
{
    /// <summary>Prompts take several steps, so that every phase is met.</summary>
    private const string SmallChunks = "chunked_prefill_size: 48";

    private int _runs;
    private int _losses;

    [OneTimeTearDown]
    public void Some_kills_cost_sequences_their_worker()
    {
        // One may come after the last step; all of them cannot.
        if (_runs >= 16)
            Assert.That(_losses, Is.GreaterThan(_runs));
    }

    [Test]
    public async Task A_worker_killed_in_any_phase_costs_no_bit(
        [Values] KvDomainKind domain,
        [Values("prefill-0", "decode-1")] string victim,
        [Values("queued", "prefilling", "arrived", "decoding", "copied to", "1 step", "9 steps", "25 steps")]
        string moment)
    {
        Generation[] alone = await PdRig.AloneAsync("", PdRig.Mixed);
        await using Engine engine = await Engine.StartAsync(
            PdRig.Options("2P+2D", DisaggregateMode.Always, domain, overrides: SmallChunks));
        EngineModel model = engine.Models[0];
        Task<Generation>[] tasks = [.. PdRig.Mixed.Select(request => engine.GenerateAsync(request))];
        bool met = PdRig.WaitFor(() => IsAt(engine, victim, moment), tasks);
        model.KillWorker(victim);
        Generation[] got = await Task.WhenAll(tasks);
        EngineRig.AssertSame(alone, got, $"{victim} {moment}, met: {met}");
        _runs++;
        _losses += got.Sum(one => one.FailureCount);
        PdRig.AssertTimes(got, moment);
        // A kill between batches is a command; it may come after the last of them.
        Assert.That(() => PdRig.Worker(engine, victim).IsAlive, Is.False.After(60_000, 1));
        Assert.That(PdRig.Worker(engine, victim).Failure, Does.Contain(victim).And.Contain("killed"));

        Generation[] without = await EngineRig.AtOnceAsync(engine, PdRig.Mixed, seed: 2);
        EngineRig.AssertSame(alone, without, "without it");
        Assert.That(without.Select(one => one.PrefillWorker), Has.None.EqualTo(victim));
        Assert.That(without.Select(one => one.DecodeWorker), Has.None.EqualTo(victim));
        model.RestartWorker(victim);
        Generation[] anew = await EngineRig.AtOnceAsync(engine, PdRig.Mixed, seed: 3);
        EngineRig.AssertSame(alone, anew, "restarted");
        PdRig.AssertPath(anew, PdRig.PathOf(domain), "restarted");
        Assert.That(anew.Any(one => one.PrefillWorker == victim || one.DecodeWorker == victim));
        await PdRig.AssertAllFreeAsync(engine, moment);
    }

    [Test]
    public async Task Where_one_side_is_gone_the_other_does_both(
        [Values] KvDomainKind domain, [Values("prefill-0", "decode-0")] string victim)
    {
        Generation[] alone = await PdRig.AloneAsync("", PdRig.Mixed);
        await using Engine engine = await Engine.StartAsync(
            PdRig.Options("1P+1D", DisaggregateMode.Always, domain, overrides: SmallChunks));
        Task<Generation>[] tasks = [.. PdRig.Mixed.Select(request => engine.GenerateAsync(request))];
        PdRig.WaitFor(() => IsAt(engine, victim, "9 steps"), tasks);
        engine.Models[0].KillWorker(victim);
        Generation[] got = await Task.WhenAll(tasks);
        EngineRig.AssertSame(alone, got, victim);
        Assert.That(() => PdRig.Worker(engine, victim).IsAlive, Is.False.After(60_000, 1));
        string reason = victim == "prefill-0" ? PdReasons.NoPrefillWorker : PdReasons.NoDecodeWorker;
        Generation[] after = await EngineRig.AtOnceAsync(engine, PdRig.Mixed, seed: 1);
        EngineRig.AssertSame(alone, after, $"after {victim}");
        Assert.That(after.Select(one => one.PdPath), Is.All.EqualTo(PdPath.Local));
        Assert.That(after.Where(one => one.OutputIds.Count > 1).Select(one => one.PdReason),
            Is.All.EqualTo(reason));
        engine.Models[0].RestartWorker(victim);
        Generation[] anew = await EngineRig.AtOnceAsync(engine, PdRig.Mixed, seed: 3);
        EngineRig.AssertSame(alone, anew, "restarted");
        PdRig.AssertPath(anew, PdRig.PathOf(domain), "restarted");
        await PdRig.AssertAllFreeAsync(engine, victim);
    }

    [TestCase("1R", KvDomainKind.Host)]
    [TestCase("1P+1D", KvDomainKind.Host)]
    [TestCase("1P+1D", KvDomainKind.Device)]
    public async Task With_no_worker_left_a_request_ends_typed_with_what_it_has(
        string shape, KvDomainKind domain)
    {
        GenerateRequest request = new()
        {
            InputIds = EngineRig.Ids(new Random(5), 60), ReturnLogProb = true, TopLogProbsNum = 2,
            Sampling = new SamplingParams { MaxNewTokens = 1900, IgnoreEos = true, SamplingSeed = 3 },
        };
        Generation whole = (await PdRig.AloneAsync("", [request]))[0];
        SlowClock clock = new();
        await using Engine engine = await Engine.StartAsync(
            PdRig.Options(shape, DisaggregateMode.Always, domain) with { Clock = clock });
        EngineModel model = engine.Models[0];
        string[] names = [.. model.Workers.Select(worker => worker.Name).Reverse()];
        TokenStream stream = engine.Stream(request);
        await foreach (TokenChunk chunk in stream)
        {
            if (chunk.TokenIds.Count > 0)
                break;
        }
        foreach (string name in names)
            model.KillWorker(name);
        clock.Release();
        Generation got = await stream.Completion;
        Assert.That(got.FinishReason, Is.EqualTo(FinishReason.Error));
        Assert.That(got.Error, Is.TypeOf<WorkerException>().With.Message.Contains("killed on request"));
        Assert.That(got.OutputIds, Has.Count.InRange(1, 1899));
        Assert.That(got.OutputIds, Is.EqualTo(whole.OutputIds.Take(got.OutputIds.Count)));
        EngineRig.AssertSameBits(
            [.. whole.OutputLogProbs.Take(got.OutputIds.Count)], got.OutputLogProbs, "partial");
        PdRig.AssertTimes([got], shape);
        Assert.ThrowsAsync<WorkerException>(() => engine.GenerateAsync(request));
        foreach (string name in names)
            model.RestartWorker(name);
        EngineRig.AssertSame(whole, await engine.GenerateAsync(request), "restarted");
        await PdRig.AssertAllFreeAsync(engine, shape);
    }

    [Test]
    public async Task Only_a_worker_that_there_is_and_that_has_failed_is_restarted()
    {
        await using Engine engine = await Engine.StartAsync(
            PdRig.Options("1P+1D", DisaggregateMode.Auto, KvDomainKind.Host));
        EngineModel model = engine.Models[0];
        Assert.Throws<InvalidOperationException>(() => model.RestartWorker("decode-0"));
        Assert.Throws<OptionsException>(() => model.RestartWorker("decode-1"));
        Assert.Throws<OptionsException>(() => model.KillWorker("regular-0"));
    }

    [Test]
    public async Task Requests_that_come_while_workers_die_and_are_restarted_are_all_served(
        [Values] KvDomainKind domain, [Values(1, 2, 3)] int seed)
    {
        Generation[] alone = await PdRig.AloneAsync("", PdRig.Mixed);
        await using Engine engine = await Engine.StartAsync(
            PdRig.Options("2P+2D", DisaggregateMode.Always, domain, overrides: SmallChunks));
        EngineModel model = engine.Models[0];
        int ended = 0;
        Task<Generation>[][] clients = [.. Enumerable.Range(0, 4).Select(_ => new Task<Generation>[64])];
        Task[] feeders = [.. clients.Select(tasks => Task.Run(async () =>
        {
            for (int i = 0; i < tasks.Length; i++)
            {
                tasks[i] = engine.GenerateAsync(PdRig.Mixed[i]);
                if (i % 8 == 7)
                    await tasks[i];
            }
            await Task.WhenAll(tasks);
            Interlocked.Increment(ref ended);
        }))];
        Random random = new(seed);
        int kills = 0;
        while (Volatile.Read(ref ended) < feeders.Length && feeders.All(feeder => !feeder.IsFaulted))
        {
            // One at a time, so that whoever lost its worker finds another of the kind.
            string victim = model.Workers[random.Next(4)].Name;
            model.KillWorker(victim);
            PdRig.WaitFor(() => !PdRig.Worker(engine, victim).IsAlive, [Task.Delay(60_000)]);
            model.RestartWorker(victim);
            kills++;
            await Task.Delay(random.Next(20));
        }
        await Task.WhenAll(feeders);
        int failed = 0;
        foreach (Task<Generation>[] tasks in clients)
        {
            for (int i = 0; i < tasks.Length; i++)
            {
                Generation one = await tasks[i];
                failed += one.Error is null ? 0 : 1;
                if (one.Error is null)
                    EngineRig.AssertSame(alone[i], one, $"seed {seed}, request {i}");
                else
                    AssertPartial(alone[i], one, $"seed {seed}, request {i}");
            }
        }
        TestContext.Out.WriteLine($"{kills} kills, {failed} of 256 lost three workers");
        Assert.That(kills, Is.GreaterThan(0));
        Assert.That(failed, Is.LessThan(128));
        await PdRig.AssertAllFreeAsync(engine, $"seed {seed}");
    }

    private static void AssertPartial(Generation whole, Generation got, string what)
    {
        Assert.That(got.Error, Is.TypeOf<WorkerException>(), what);
        Assert.That(got.FailureCount, Is.EqualTo(3), what);
        Assert.That(got.OutputIds, Is.EqualTo(whole.OutputIds.Take(got.OutputIds.Count)), what);
    }

    private static bool IsAt(Engine engine, string victim, string moment)
    {
        WorkerStatus worker = PdRig.Worker(engine, victim);
        return moment switch
        {
            "queued" => worker.Queued > 0 || worker.Arrived > 0,
            "prefilling" => engine.Models[0].Workers.Any(one => one.Prefilling > 0),
            "arrived" => engine.Models[0].Workers.Any(one => one.Arrived > 0),
            "decoding" => engine.Models[0].Workers.Any(one => one.Decoding > 1),
            "copied to" => worker.ChargedBlocks > 0,
            _ => worker.Steps >= int.Parse(moment.Split(' ')[0]),
        };
    }
}
