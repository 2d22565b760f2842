namespace PdEngine.Tests;

/// <summary>Several virtual GPUs are used together only where they agree with the host.</summary>
[Category("Cuda")]
[CancelAfter(60_000)]
public sealed class CudaPeerCheckTests
{
    [SetUp]
    [TearDown]
    public void All_is_well_again() => LibraryStandIns.SetNccl();

    [Test]
    public void Sound_gpus_are_taken(
        [Values(2, 4)] int count, [Values] bool hasPeers, [Values(0, 3)] int seed)
    {
        StandIn.Reset(count, (ulong)seed);
        StandIn.SetPeers(hasPeers);
        using (CudaDevices devices = CudaDevices.Open(Options, count))
            Assert.That(devices.Backends, Has.Count.EqualTo(count));
        Assert.That(StandIn.LiveObjects(), Is.Zero);
        Assert.That(Enumerable.Range(0, count).Sum(StandIn.UsedBytes), Is.Zero);
    }

    [TestCase(true, false, true, "a copy of blocks")]
    [TestCase(false, true, true, "a copy of heads")]
    [TestCase(true, false, false, "a copy of blocks", Description = "through the host")]
    public void A_wrong_bit_between_two_gpus_is_found(bool copies, bool reads, bool hasPeers, string what)
    {
        StandIn.Reset(2);
        StandIn.SetPeers(hasPeers);
        StandIn.SpoilPeers(copies, reads);
        BackendException refused = Assert.Throws<BackendException>(() => CudaDevices.Open(Options, 2))!;
        Assert.That(refused.Message, Does.StartWith($"GPU 0 to GPU 1: {what} came out otherwise"));
        Assert.That(StandIn.LiveObjects(), Is.Zero, "what was made before is given back");
    }

    [Test]
    public void A_wrong_sum_is_found()
    {
        StandIn.Reset(2);
        using CudaDevices devices = CudaDevices.Open(Options, 2);
        StandIn.SpoilPeers(reads: true);
        BackendException refused = Assert.Throws<BackendException>(
            () => CudaPeerCheck.CheckSum(
                (CudaBackend)devices.Backends[0], (CudaBackend)devices.Backends[1]))!;
        Assert.That(refused.Message, Does.Contain("a sum came out otherwise").And.Contain("element 0"));
    }

    [Test]
    public void A_wrong_gather_is_found()
    {
        StandIn.Reset(2);
        StandIn.SetPeers(false);
        using CudaDevices devices = CudaDevices.Open(Options, 2);
        StandIn.SpoilPeers(copies: true);
        BackendException refused = Assert.Throws<BackendException>(
            () => devices.Backends[0].CreateGather(devices.Backends, 64))!;
        Assert.That(refused.Message, Does.Contain("a gather came out otherwise"));
        Assert.That(LibraryStandIns.LiveCommunicators(), Is.Zero);
    }

    [Test]
    public void One_gpu_alone_is_not_checked()
    {
        StandIn.Reset(2);
        StandIn.SpoilPeers(copies: true, reads: true);
        using CudaDevices devices = CudaDevices.Open(Options with { Gpus = [1, 1] }, 2);
        Assert.That(devices.Backends, Has.Count.EqualTo(2));
    }

    [Test]
    public async Task An_engine_does_not_start_on_gpus_that_are_wrong()
    {
        StandIn.Reset(2, megabytes: 256);
        StandIn.SpoilPeers(copies: true);
        EngineOptions options = CudaTestDevice.On(
            PdRig.Options("1P+1D", DisaggregateMode.Always, KvDomainKind.Host), "cuda:0,cuda:1");
        Assert.That(
            Assert.ThrowsAsync<BackendException>(() => Engine.StartAsync(options))!.Message,
            Does.Contain("cannot be used together"));
        await using Engine cpu = await Engine.StartAsync(EngineRig.Options());
        Assert.That((await cpu.GenerateAsync(EngineRig.Requests(1, seed: 1)[0])).Error, Is.Null);
    }

    private static CudaOptions Options =>
        new() { DriverPath = StandIn.Path, NcclPath = LibraryStandIns.Nccl };
}
