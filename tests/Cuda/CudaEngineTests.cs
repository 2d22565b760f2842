namespace PdEngine.Tests;

/// <summary>
/// The whole engine on virtual GPUs: however prefill and decode are spread, and in whatever order the GPUs
/// get to their work, no token and no bit of a log-prob changes.
/// </summary>
[Category("Cuda")]
[CancelAfter(120_000)]
public sealed class CudaEngineTests
{
    private static readonly GenerateRequest[] Requests =
        [.. PdRig.Mixed.Take(14).Select(request => request with
        {
            Sampling = request.Sampling with { MaxNewTokens = Math.Min(request.Sampling.MaxNewTokens, 8) },
        })];

    private static Task<Generation[]>? _alone;

    [Test]
    public async Task A_hand_off_changes_nothing(
        [Values("1P+1D", "1P+2D", "2R")] string shape, [Values("shared", "apart", "each")] string gpus,
        [Values(0ul, 3ul)] ulong seed)
    {
        Generation[] alone = await AloneAsync();
        EngineOptions options = Options(shape, gpus, seed);
        await using Engine engine = await Engine.StartAsync(options);
        foreach (int count in new[] { Requests.Length, 5 })
        {
            Generation[] apart = await EngineRig.AtOnceAsync(engine, Requests[..count], seed: count);
            EngineRig.AssertSame(alone[..count], apart, $"{count} at once, seed {seed}");
            if (shape != "2R")
                PdRig.AssertPath(apart, gpus == "shared" ? PdPath.Handoff : PdPath.Copy, shape);
        }
        await PdRig.AssertAllFreeAsync(engine, shape);
    }

    [TestCase("1P+3D", null)]
    [TestCase("1P+2D", null)]
    [TestCase("1P+2D", "cuda:0,cuda:0,cuda:1")]
    [TestCase("2P+2D", "cuda:0,cuda:1,cuda:0,cuda:1")]
    [TestCase("1Px2+2D", "cuda:0,cuda:1,cuda:0,cuda:1")]
    public async Task Roles_that_share_some_gpus_and_not_others_hand_off_by_copies(
        string shape, string? devices)
    {
        Generation[] alone = await AloneAsync();
        StandIn.Reset(deviceCount: 2, seed: 3, megabytes: 256);
        EngineOptions options = CudaTestDevice.On(
            PdRig.Options(shape, DisaggregateMode.Always, KvDomainKind.Host) with { MaxTotalTokens = 2048 },
            devices);
        await using Engine engine = await Engine.StartAsync(options);
        Generation[] apart = await EngineRig.AtOnceAsync(engine, Requests, seed: 8);
        EngineRig.AssertSame(alone, apart, shape);
        PdRig.AssertPath(apart, PdPath.Copy, shape);
        Assert.That(engine.Notices.Any(notice => notice.Contains("each role has a KV pool of its own")),
            Is.EqualTo(shape != "1Px2+2D"), "ranks have a pool of their own anyway");
        await PdRig.AssertAllFreeAsync(engine, shape);
    }

    [Test]
    public async Task The_number_of_ranks_changes_nothing(
        [Values("1Rx2", "1Rx4", "1Px2+1D", "1P+1Dx2")] string shape, [Values("shared", "each")] string gpus,
        [Values(0ul, 4ul)] ulong seed)
    {
        Generation[] alone = await AloneAsync();
        await using Engine engine = await Engine.StartAsync(
            Options(shape, gpus, seed) with { ChunkedPrefillSize = 16 });
        foreach (int count in new[] { Requests.Length, 5 })
        {
            Generation[] ranked = await EngineRig.AtOnceAsync(engine, Requests[..count], seed: count);
            EngineRig.AssertSame(alone[..count], ranked, $"{count} at once, seed {seed}");
        }
        await PdRig.AssertAllFreeAsync(engine, shape);
    }

    [Test]
    public async Task Blocks_go_by_the_host_where_gpus_do_not_reach_each_other()
    {
        Generation[] alone = await AloneAsync();
        EngineOptions options = Options("1P+1D", "each", seed: 0);
        StandIn.SetPeers(false);
        await using Engine engine = await Engine.StartAsync(options);
        Generation[] copied = await EngineRig.AtOnceAsync(engine, Requests, seed: 6);
        EngineRig.AssertSame(alone, copied, "by the host");
        PdRig.AssertPath(copied, PdPath.Copy, "by the host");
    }

    [Test]
    public async Task Blocks_that_are_used_again_are_waited_for([Values(0ul, 7ul)] ulong seed)
    {
        Generation[] alone = await AloneAsync();
        EngineOptions options = Options("1P+1D", "each", seed) with
        {
            MaxTotalTokens = 256, DisableRadixCache = true, ChunkedPrefillSize = 16,
        };
        await using Engine engine = await Engine.StartAsync(options);
        Generation[] tight = await EngineRig.AtOnceAsync(engine, Requests, seed: 2);
        EngineRig.AssertSame(alone, tight, $"seed {seed}");
        await PdRig.AssertAllFreeAsync(engine, "tight");
    }

    [Test]
    public async Task Forgotten_waits_do_not_go_unseen([Values("1P+1D", "1Rx2")] string shape)
    {
        Generation[] alone = await AloneAsync();
        bool areSeen = false;
        // What is waited for may happen to have run, in some order or other.
        for (ulong seed = 0; seed < 6 && !areSeen; seed++)
        {
            EngineOptions options = Options(shape, "each", seed) with
            {
                MaxTotalTokens = 256, DisableRadixCache = true, ChunkedPrefillSize = 16,
            };
            await using Engine engine = await Engine.StartAsync(options);
            StandIn.DropWaits(ofStreams: true);
            Generation[] spoilt = await EngineRig.AtOnceAsync(engine, Requests, seed: 1);
            StandIn.DropWaits();
            areSeen = Enumerable.Range(0, alone.Length).Any(i => !LogProbs(spoilt[i]).SequenceEqual(
                LogProbs(alone[i])));
        }
        Assert.That(areSeen);

        static IEnumerable<(int, float?)> LogProbs(Generation one) =>
            one.OutputLogProbs.Select(token => (token.TokenId, token.LogProb));
    }

    [Test]
    public async Task Graphs_change_nothing([Values(0ul, 5ul)] ulong seed)
    {
        Generation[] alone = await AloneAsync();
        StandIn.Reset(deviceCount: 1, seed, megabytes: 256);
        EngineOptions options = CudaTestDevice.On(EngineRig.Options()) with { MaxTotalTokens = 2048 };
        await using (Engine engine = await Engine.StartAsync(options))
        {
            foreach (int count in new[] { 1, 3, Requests.Length })
            {
                Generation[] graphed = await EngineRig.AtOnceAsync(engine, Requests[..count], seed: count);
                EngineRig.AssertSame(alone[..count], graphed, $"{count} with graphs, seed {seed}");
            }
        }
        Assert.That(StandIn.GraphLaunchCount(), Is.GreaterThan(8));
        StandIn.Reset(deviceCount: 1, seed, megabytes: 256);
        await using (Engine engine = await Engine.StartAsync(options with { DisableCudaGraph = true }))
        {
            Generation[] plain = await EngineRig.AtOnceAsync(engine, Requests, seed: 9);
            EngineRig.AssertSame(alone, plain, $"without graphs, seed {seed}");
        }
        Assert.That(StandIn.GraphLaunchCount(), Is.Zero);
    }

    [Test]
    public async Task Pushed_weights_are_those_of_a_fresh_engine(
        [Values("buckets", "delta")] string source, [Values] bool stages)
    {
        StandIn.Reset(deviceCount: 3, megabytes: 256);
        EngineOptions options = CudaTestDevice.On(UpdateRig.Options("")) with { MaxTotalTokens = 2048 };
        IReadOnlyList<TokenLogProb> pushed;
        await using (Engine engine = await Engine.StartAsync(options))
        {
            await UpdateRig.PrintAsync(engine);
            using WeightUpdate update = source == "delta"
                ? UpdateRig.Delta(3, 4, UpdateRig.First, "1")
                : UpdateRig.Buckets(4);
            await engine.Models[0].UpdateWeightsAsync(update, new() { Stages = stages });
            pushed = await UpdateRig.PrintAsync(engine);
        }
        StandIn.Reset(deviceCount: 1, megabytes: 256);
        EngineOptions fresh = CudaTestDevice.On(EngineRig.Options(UpdateRig.Folder(4)));
        await using Engine other = await Engine.StartAsync(fresh with { MaxTotalTokens = 2048 });
        EngineRig.AssertSameBits(await UpdateRig.PrintAsync(other), pushed, source);
    }

    [Test]
    public async Task Log_probs_are_near_those_of_the_reference()
    {
        Generation[] alone = await AloneAsync();
        await using Engine engine = await Engine.StartAsync(
            EngineRig.Options() with { Backend = BackendKind.Reference });
        for (int i = 0; i < alone.Length; i++)
        {
            int[] prompt = Requests[i].InputIds!.Value.ToArray();
            ScoredTokens scores = await engine.Models[0].ScoreAsync(
                (int[])[.. prompt, .. alone[i].OutputIds], prompt.Length, Requests[i].Sampling);
            for (int token = 0; token < alone[i].OutputLogProbs.Count; token++)
            {
                Assert.That(
                    alone[i].OutputLogProbs[token].LogProb,
                    Is.EqualTo(scores[prompt.Length + token].LogProb).Within(0.15),
                    $"request {i}, token {token}");
            }
        }
    }

    [Test]
    public async Task Memory_that_is_given_back_is_taken_again()
    {
        Generation[] alone = await AloneAsync();
        EngineOptions options = Options("1P+1D", "each", seed: 0);
        await using Engine engine = await Engine.StartAsync(options);
        long used = StandIn.UsedBytes(0);
        await engine.Models[0].ReleaseMemoryAsync(LoanedMemory.KvCache);
        Assert.That(StandIn.UsedBytes(0), Is.LessThan(used));
        await engine.Models[0].ResumeMemoryAsync();
        Generation[] after = await EngineRig.AtOnceAsync(engine, Requests, seed: 4);
        EngineRig.AssertSame(alone, after, "after a resume");
        Assert.That(StandIn.UsedBytes(0), Is.GreaterThanOrEqualTo(used));
    }

    private static Task<Generation[]> AloneAsync() => _alone ??= RunAloneAsync();

    private static async Task<Generation[]> RunAloneAsync()
    {
        StandIn.Reset(deviceCount: 1, megabytes: 256);
        return await EngineRig.OneByOneAsync(
            CudaTestDevice.On(EngineRig.Options()) with { MaxTotalTokens = 2048 }, Requests);
    }

    /// <summary>
    /// A plan on one GPU with one pool (shared), on one GPU with a pool for each worker (apart), or on a GPU
    /// for each device.
    /// </summary>
    private static EngineOptions Options(string shape, string gpus, ulong seed)
    {
        int devices = shape switch
        {
            "1P+2D" or "1Px2+1D" or "1P+1Dx2" => 3,
            "1Rx4" => 4,
            _ => 2,
        };
        StandIn.Reset(devices, seed, megabytes: 256);
        KvDomainKind domain = gpus == "apart" ? KvDomainKind.Device : KvDomainKind.Host;
        EngineOptions options = PdRig.Options(shape, DisaggregateMode.Always, domain) with
        {
            MaxTotalTokens = 2048,
        };
        string names = string.Join(
            ',', Enumerable.Range(0, devices).Select(device => gpus == "each" ? $"cuda:{device}" : "cuda:0"));
        return CudaTestDevice.On(options, names);
    }
}
