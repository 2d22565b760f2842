using PdEngine.Interop;

namespace PdEngine.Tests;

/// <summary>The binding of NCCL, against a stand-in that runs on virtual GPUs.</summary>
[Category("Cuda")]
[CancelAfter(60_000)]
public sealed unsafe class NcclTests
{
    private static readonly TimeSpan Short = TimeSpan.FromMilliseconds(200);

    /// <summary>Of what is not given up, however slow the machine is.</summary>
    private static readonly TimeSpan Long = TimeSpan.FromMinutes(1);

    [SetUp]
    [TearDown]
    public void All_is_well_again() => LibraryStandIns.SetNccl();

    [Test]
    public void A_missing_library_is_named_with_what_to_do()
    {
        CudaException missing = Assert.Throws<CudaException>(() => Nccl.Open("no-such/libnccl.so.2"))!;
        Assert.That(missing.Message, Does.Contain("NCCL was not found")
            .And.Contain("no-such/libnccl.so.2: there is no such file").And.Contain("libnccl2"));
    }

    [Test]
    public void A_library_that_is_too_old_says_which_would_do()
    {
        LibraryStandIns.SetNccl(version: 21602);
        CudaException old = Assert.Throws<CudaException>(() => Nccl.Open(LibraryStandIns.Nccl))!;
        Assert.That(old.Message, Does.Contain("NCCL 2.16.2").And.Contain("2.17.0 or newer"));
    }

    [Test]
    public void Another_library_is_refused_by_what_it_lacks() =>
        Assert.That(
            Assert.Throws<CudaException>(() => Nccl.Open("libc.so.6"))!.Message,
            Does.Contain("libc.so.6 is no NCCL (has no ncclGetVersion)"));

    [TestCase(1)]
    [TestCase(2)]
    [TestCase(4)]
    public void Every_rank_gathers_what_all_have(int count)
    {
        foreach (ulong seed in new ulong[] { 0, 1, 2 })
        {
            using CudaRig rig = new(count, seed);
            NcclCommunicator[] ranks = Open(rig, Long);
            const int length = 33;
            CudaBuffer[] sources = [.. Enumerable.Range(0, count).Select(rank => rig.Device(length, rank))];
            CudaBuffer[] targets =
                [.. Enumerable.Range(0, count).Select(rank => rig.Device(length * count, rank))];
            for (int turn = 0; turn < 3; turn++)
            {
                float[][] all = new float[count][];
                for (int rank = 0; rank < count; rank++)
                {
                    all[rank] = [.. Enumerable.Range(0, length).Select(i => (100f * rank) + i + turn)];
                    PinnedBuffer pinned = rig.Pinned(all[rank]);
                    rig.Contexts[rank].MakeCurrent();
                    rig.Streams[rank].CopyToDevice(
                        sources[rank].First, pinned.First, length * sizeof(float));
                }
                Nccl.Open(LibraryStandIns.Nccl).Together(() =>
                {
                    for (int rank = count - 1; rank >= 0; rank--)
                    {
                        ranks[rank].AllGather(
                            sources[rank].First, targets[rank].First, length * sizeof(float),
                            rig.Streams[rank]);
                    }
                });
                Array.ForEach(ranks, rank => rank.Settle(() => false));
                for (int rank = 0; rank < count; rank++)
                {
                    Assert.That(
                        rig.Read(rig.Streams[rank], targets[rank].First, length * count),
                        Is.EqualTo(all.SelectMany(one => one)), $"rank {rank}, turn {turn}, seed {seed}");
                }
            }
            foreach (NcclCommunicator rank in ranks)
                rank.Dispose();
            Assert.That(LibraryStandIns.LiveCommunicators(), Is.Zero);
        }
    }

    [Test]
    public void Two_ranks_on_one_gpu_are_refused_in_the_librarys_words()
    {
        using CudaRig rig = new();
        Nccl nccl = Nccl.Open(LibraryStandIns.Nccl);
        CudaException refused = Assert.Throws<CudaException>(
            () => NcclCommunicator.OpenAll(nccl, [rig.Context, rig.Context], Short))!;
        Assert.That(refused.Message, Does.Contain("Duplicate GPU").And.Contain("invalid usage (5)"));
        Assert.That(LibraryStandIns.LiveCommunicators(), Is.Zero, "given back");
    }

    [Test]
    public void Ranks_that_do_not_come_together_are_given_up()
    {
        using CudaRig rig = new(2);
        LibraryStandIns.SetNccl(hangs: true);
        CudaException late = Assert.Throws<CudaException>(() => Open(rig, Short))!;
        Assert.That(late.Result, Is.EqualTo(CudaResult.Timeout));
        Assert.That(late.Message, Does.Contain("over 0.2 s").And.Contain("rank 0 of 2")
            .And.Contain("came together").And.Contain(LibraryStandIns.Nccl));
        Assert.That(LibraryStandIns.LiveCommunicators(), Is.Zero, "aborted");
    }

    [Test]
    public void A_gather_that_does_not_end_is_given_up_and_its_stream_is_free_again()
    {
        using CudaRig rig = new(2);
        NcclCommunicator[] ranks = Open(rig, TimeSpan.FromSeconds(1));
        using CudaBuffer source = rig.Device(4), target = rig.Device(8);
        using CudaEvent done = rig.NewEvent();
        ranks[0].AllGather(source.First, target.First, 16, rig.Stream);
        ranks[0].Settle(() => false);
        done.Record(rig.Stream);
        CudaException late = Assert.Throws<CudaException>(() => ranks[0].Await(done, () => false))!;
        Assert.That(late.Result, Is.EqualTo(CudaResult.Timeout));
        Assert.That(late.Message, Does.Contain("a collective ended"));
        ranks[0].Abort();
        done.Synchronize();
        ranks[1].Dispose();
        Assert.That(LibraryStandIns.LiveCommunicators(), Is.Zero);
    }

    [Test]
    public void A_failure_of_another_rank_ends_the_wait()
    {
        using CudaRig rig = new(2);
        NcclCommunicator[] ranks = Open(rig, Long);
        using CudaBuffer source = rig.Device(4), target = rig.Device(8);
        using CudaEvent done = rig.NewEvent();
        ranks[0].AllGather(source.First, target.First, 16, rig.Stream);
        ranks[0].Settle(() => false);
        done.Record(rig.Stream);
        CudaException left = Assert.Throws<CudaException>(() => ranks[0].Await(done, () => true))!;
        Assert.That(left.Message, Does.Contain("Another rank"));
        Array.ForEach(ranks, rank => rank.Dispose());
    }

    [Test]
    public void An_error_that_comes_later_is_found_by_asking()
    {
        using CudaRig rig = new(1);
        NcclCommunicator rank = Open(rig, Long)[0];
        using CudaBuffer source = rig.Device(4), target = rig.Device(4);
        LibraryStandIns.SetNccl(failsAfter: 0);
        rank.AllGather(source.First, target.First, 16, rig.Stream);
        CudaException failed = Assert.Throws<CudaException>(() => rank.Settle(() => false))!;
        Assert.That(failed.Message, Does.Contain("unhandled system error (2)").And.Contain("injected"));
        rank.Dispose();
        Assert.That(LibraryStandIns.LiveCommunicators(), Is.Zero);
    }

    [Test]
    public void A_stream_of_another_gpu_is_refused()
    {
        using CudaRig rig = new(2);
        NcclCommunicator[] ranks = Open(rig, Long);
        using CudaBuffer source = rig.Device(4), target = rig.Device(8);
        CudaException refused = Assert.Throws<CudaException>(
            () => ranks[0].AllGather(source.First, target.First, 16, rig.Streams[1]))!;
        Assert.That(refused.Message, Does.Contain("another device"));
        Array.ForEach(ranks, rank => rank.Dispose());
    }

    [Test]
    public void A_graph_cannot_hold_a_gather()
    {
        using CudaRig rig = new(1);
        NcclCommunicator rank = Open(rig, Long)[0];
        using CudaBuffer source = rig.Device(4), target = rig.Device(4);
        rig.Stream.BeginCapture();
        CudaException refused = Assert.Throws<CudaException>(
            () => rank.AllGather(source.First, target.First, 16, rig.Stream))!;
        Assert.That(refused.Message, Does.Contain("captured"));
        Assert.Throws<CudaException>(() => rig.Stream.EndCapture());
        rank.Dispose();
    }

    [Test]
    public void A_group_of_calls_is_ended_where_one_of_them_throws()
    {
        using CudaRig rig = new(1);
        Nccl nccl = Nccl.Open(LibraryStandIns.Nccl);
        Assert.Throws<InvalidOperationException>(
            () => nccl.Together(() => throw new InvalidOperationException()));
        Open(rig, Long)[0].Dispose();
    }

    [Test]
    public void Structs_have_the_librarys_sizes()
    {
        Assert.That(sizeof(NcclId), Is.EqualTo(128));
        Assert.That(sizeof(NcclConfiguration), Is.EqualTo(48));
    }

    private static NcclCommunicator[] Open(CudaRig rig, TimeSpan timeout) =>
        NcclCommunicator.OpenAll(Nccl.Open(LibraryStandIns.Nccl), rig.Contexts, timeout);
}
