namespace PdEngine.Tests;

/// <summary>Ranks of a worker whose virtual GPUs do not reach each other's memory.</summary>
[Category("Cuda")]
[CancelAfter(120_000)]
public sealed class CudaGatherTests
{
    private static readonly GenerateRequest[] Requests =
        [.. PdRig.Mixed.Take(8).Select(request => request with
        {
            Sampling = request.Sampling with { MaxNewTokens = Math.Min(request.Sampling.MaxNewTokens, 6) },
        })];

    [SetUp]
    [TearDown]
    public void All_is_well_again() => LibraryStandIns.SetNccl();

    [Test]
    public async Task Gathered_sums_are_those_of_one_rank(
        [Values("1Rx2", "1Rx4", "1Px2+1D", "1P+1Dx2")] string shape, [Values(0ul, 6ul)] ulong seed)
    {
        Generation[] alone = await AloneAsync();
        await using (Engine engine = await Engine.StartAsync(Options(shape, seed)))
        {
            Generation[] ranked = await EngineRig.AtOnceAsync(engine, Requests, seed: 3);
            EngineRig.AssertSame(alone, ranked, $"{shape}, seed {seed}");
            Assert.That(LibraryStandIns.LiveCommunicators(), Is.GreaterThan(1));
            await PdRig.AssertAllFreeAsync(engine, shape);
        }
        Assert.That(LibraryStandIns.LiveCommunicators(), Is.Zero);
    }

    [Test]
    public async Task What_a_failed_gather_took_along_is_computed_anew()
    {
        Generation[] alone = await AloneAsync();
        await using Engine engine = await Engine.StartAsync(Options("1Rx2", seed: 0));
        LibraryStandIns.SetNccl(failsAfter: 5);
        Generation[] after = await EngineRig.AtOnceAsync(engine, Requests, seed: 3);
        EngineRig.AssertSame(alone, after, "after a failure");
        Assert.That(LibraryStandIns.FailedGathers(), Is.EqualTo(1));
        Assert.That(LibraryStandIns.LiveCommunicators(), Is.EqualTo(2), "the others were given up");
    }

    [Test]
    public void A_gather_that_does_not_end_is_given_up()
    {
        CudaOptions options = Apart(2, TimeSpan.FromSeconds(1));
        using CudaDevices devices = CudaDevices.Open(options, 2);
        using CudaRankGather gather = devices.Backends[0].CreateGather(devices.Backends, 64)!;
        using Tensor partial = devices.Backends[0].CreateTensor(1, 16);
        LibraryStandIns.SetNccl(stalls: true);
        using Tensor whole = devices.Backends[0].CreateTensor(1, 32);
        BackendException late = Assert.Throws<BackendException>(
            () => gather.Join(0, partial, whole, [(0, 16), (16, 16)], () => false))!;
        Assert.That(
            late.Message, Does.Contain("GPU 0").And.Contain("over 1 s until a collective ended"));
        Assert.That(LibraryStandIns.LiveCommunicators(), Is.EqualTo(2));
        LibraryStandIns.SetNccl(hangs: true);
        gather.Mend();
        Assert.That(LibraryStandIns.LiveCommunicators(), Is.Zero);
        BackendException gone = Assert.Throws<BackendException>(
            () => gather.Join(0, partial, whole, [(0, 16), (16, 16)], () => false))!;
        Assert.That(gone.Message, Does.Contain("did not come together again").And.Contain("1 s"));
    }

    [Test]
    public void Ranks_that_do_not_come_together_are_refused_in_time()
    {
        CudaOptions options = Apart(2, TimeSpan.FromMilliseconds(300));
        using CudaDevices devices = CudaDevices.Open(options, 2);
        LibraryStandIns.SetNccl(hangs: true);
        BackendException late = Assert.Throws<BackendException>(
            () => devices.Backends[0].CreateGather(devices.Backends, 64))!;
        Assert.That(
            late.Message, Does.Contain("cannot reach").And.Contain("tp_size")
                .And.Contain("over 0.3 s until a group of ranks came together"));
        Assert.That(LibraryStandIns.LiveCommunicators(), Is.Zero);
    }

    [Test]
    public void Ranks_that_share_one_of_such_gpus_are_refused()
    {
        CudaOptions options = Apart(2, TimeSpan.FromMinutes(1)) with { Gpus = [0, 0, 1, 1] };
        using CudaDevices devices = CudaDevices.Open(options, 4);
        Assert.That(
            Assert.Throws<BackendException>(
                () => devices.Backends[0].CreateGather(devices.Backends, 64))!.Message,
            Does.Contain("4 ranks share 2"));
    }

    private static CudaOptions Apart(int count, TimeSpan timeout)
    {
        StandIn.Reset(count);
        StandIn.SetPeers(false);
        return new CudaOptions
        {
            DriverPath = StandIn.Path, NcclPath = LibraryStandIns.Nccl, NcclTimeout = timeout,
        };
    }

    private static EngineOptions Options(string shape, ulong seed)
    {
        int devices = shape switch { "1Rx2" => 2, "1Rx4" => 4, _ => 3 };
        StandIn.Reset(devices, seed, megabytes: 256);
        StandIn.SetPeers(false);
        EngineOptions options = PdRig.Options(shape, DisaggregateMode.Always, KvDomainKind.Host) with
        {
            MaxTotalTokens = 2048, ChunkedPrefillSize = 16, NcclLibrary = LibraryStandIns.Nccl,
        };
        return CudaTestDevice.On(
            options, string.Join(',', Enumerable.Range(0, devices).Select(device => $"cuda:{device}")));
    }

    private static async Task<Generation[]> AloneAsync()
    {
        StandIn.Reset(deviceCount: 1, megabytes: 256);
        return await EngineRig.OneByOneAsync(
            CudaTestDevice.On(EngineRig.Options()) with { MaxTotalTokens = 2048 }, Requests);
    }
}
