using System.Text.Json;

namespace PdEngine.Tests;

/// <summary>One GPU split among prefill and decode; and products by cuBLASLt.</summary>
[Category("Cuda")]
[CancelAfter(120_000)]
public sealed class CudaShareTests
{
    private static readonly GenerateRequest[] Requests = EngineRig.Requests(6, seed: 4);

    [SetUp]
    [TearDown]
    public void All_is_well_again() => LibraryStandIns.SetCublas();

    [Test]
    public async Task A_split_gpu_changes_nothing([Values] bool canSplit)
    {
        Generation[] alone = await AloneAsync();
        StandIn.Reset(deviceCount: 1, megabytes: 256);
        StandIn.SetPartitions(canSplit);
        EngineOptions options = CudaTestDevice.On(
            PdRig.Options("1P+1D", DisaggregateMode.Always, KvDomainKind.Host) with
            {
                MaxTotalTokens = 2048, PrefillSmFraction = 0.5f,
            },
            "cuda:0,cuda:0");
        await using (Engine engine = await Engine.StartAsync(options))
        {
            Generation[] split = await EngineRig.AtOnceAsync(engine, Requests, seed: 1);
            EngineRig.AssertSame(alone, split, $"{canSplit}");
            PdRig.AssertPath(split, PdPath.Handoff, "split");
            Assert.That(engine.Notices[0], Does.Contain(canSplit
                ? "share cuda:0, on 2 and 2 multiprocessors" : "share cuda:0 by streams alone"));
            Assert.That(StandIn.StreamsOf(2), Is.EqualTo(canSplit ? 4 : 0), "for batches and for copies");
        }
        Assert.That(StandIn.LiveObjects(), Is.Zero);
    }

    [Test]
    public async Task Workers_of_their_own_gpus_have_all_of_it()
    {
        StandIn.Reset(deviceCount: 2, megabytes: 256);
        EngineOptions options = CudaTestDevice.On(
            PdRig.Options("1P+1D", DisaggregateMode.Always, KvDomainKind.Host) with
            {
                MaxTotalTokens = 2048, PrefillSmFraction = 0.5f,
            },
            "cuda:0,cuda:1");
        await using Engine engine = await Engine.StartAsync(options);
        Assert.That(engine.Notices[0], Does.Not.Contain("share"));
        Assert.That(StandIn.StreamsOf(2), Is.Zero);
    }

    [TestCase(0f)]
    [TestCase(1f)]
    public void A_share_of_nothing_or_all_is_refused(float fraction)
    {
        OptionsException refused = Assert.ThrowsAsync<OptionsException>(
            () => Engine.StartAsync(Options with { PrefillSmFraction = fraction }))!;
        Assert.That(refused.Message, Does.Contain("prefill_sm_fraction"));
    }

    [Test]
    public async Task Products_of_cublas_are_near_ours_and_it_is_said()
    {
        Generation[] alone = await AloneAsync();
        StandIn.Reset(deviceCount: 1, megabytes: 256);
        await using Engine engine = await Engine.StartAsync(Options);
        Assert.That(engine.Notices[0], Does.Contain("products but gate and up by cuBLASLt 12.4.5")
            .And.Contain("bits depend on the batch, and no graphs"));
        int differences = 0;
        for (int i = 0; i < alone.Length; i++)
        {
            int[] prompt = Requests[i].InputIds!.Value.ToArray();
            ScoredTokens scores = await engine.Models[0].ScoreAsync(
                (int[])[.. prompt, .. alone[i].OutputIds], prompt.Length, Requests[i].Sampling);
            for (int token = 0; token < alone[i].OutputLogProbs.Count; token++)
            {
                float own = alone[i].OutputLogProbs[token].LogProb!.Value;
                float other = scores[prompt.Length + token].LogProb!.Value;
                Assert.That(other, Is.EqualTo(own).Within(0.05), $"request {i}, token {token}");
                differences += own == other ? 0 : 1;
            }
        }
        Assert.That(differences, Is.GreaterThan(0), "they are another order of sums");
        Assert.That((await engine.GenerateAsync(Requests[0])).Error, Is.Null);
        Assert.That(StandIn.GraphLaunchCount(), Is.Zero);
    }

    [Test]
    public async Task The_server_says_what_computes_products()
    {
        StandIn.Reset(deviceCount: 1, megabytes: 256);
        await using HttpRig rig = await HttpRig.StartAsync(run: _ => Options);
        JsonElement facts = await rig.GetAsync("/server_info");
        Assert.That(facts.GetProperty("gemm").GetString(), Is.EqualTo("cublaslt"));
        Assert.That(facts.GetProperty("notices")[0].GetString(), Does.Contain("by cuBLASLt 12.4.5"));
    }

    [Test]
    public async Task A_product_without_a_kernel_ends_requests_with_its_words()
    {
        StandIn.Reset(deviceCount: 1, megabytes: 256);
        await using Engine engine = await Engine.StartAsync(Options);
        LibraryStandIns.SetCublas(findsNone: true);
        Generation ended = await engine.GenerateAsync(Requests[0]);
        Assert.That(ended.Error?.ToString(), Does.Contain("GPU 0").And.Contain("cublasLtMatmul"));
    }

    [Test]
    public void A_missing_or_old_library_is_said()
    {
        StandIn.Reset();
        BackendException missing = Assert.ThrowsAsync<BackendException>(
            () => Engine.StartAsync(Options with { CublasLibrary = "no-such/libcublasLt.so.12" }))!;
        Assert.That(missing.Message, Does.Contain("no-such/libcublasLt.so.12: there is no such file"));
        LibraryStandIns.SetCublas(version: 110000);
        BackendException old = Assert.ThrowsAsync<BackendException>(() => Engine.StartAsync(Options))!;
        Assert.That(old.Message, Does.Contain("cuBLASLt 11.0.0").And.Contain("12.0.0 or newer"));
    }

    [Test]
    public void It_does_not_compute_on_the_cpu()
    {
        OptionsException refused = Assert.ThrowsAsync<OptionsException>(
            () => Engine.StartAsync(EngineRig.Options() with
            {
                Backend = BackendKind.Cpu, Gemm = GemmKind.CublasLt,
            }))!;
        Assert.That(refused.Message, Does.Contain("gemm"));
    }

    private static EngineOptions Options => CudaTestDevice.On(EngineRig.Options()) with
    {
        MaxTotalTokens = 1024, Gemm = GemmKind.CublasLt, CublasLibrary = LibraryStandIns.Cublas,
    };

    private static async Task<Generation[]> AloneAsync()
    {
        StandIn.Reset(deviceCount: 1, megabytes: 256);
        return await EngineRig.OneByOneAsync(
            CudaTestDevice.On(EngineRig.Options()) with { MaxTotalTokens = 2048 }, Requests);
    }
}
