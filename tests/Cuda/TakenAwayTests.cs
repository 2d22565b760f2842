using PdEngine.Interop;

namespace PdEngine.Tests;

/// <summary>
/// What may be given back while work that uses it is pending, as the driver's documentation has it: graphs,
/// events and streams; not the memory and the modules that the work needs.
/// </summary>
[Category("Cuda")]
[CancelAfter(60_000)]
public sealed unsafe class TakenAwayTests
{
    private static readonly float[] Two = [2f];

    [Test]
    public void A_graph_may_be_destroyed_while_it_is_in_flight()
    {
        using CudaRig rig = new();
        CudaBuffer buffer = Zero(rig);
        using (CudaGraph graph = Capture(rig, rig.Probes[0], buffer.First))
        {
            rig.Stream.Launch(graph);
            rig.Stream.Launch(graph);
        }
        Assert.That(StandIn.LaunchCount(), Is.Zero);
        Assert.That(rig.Read(rig.Stream, buffer.First, 1), Is.EqualTo(Two));
        Assert.That(StandIn.TakeTakenAway(), Is.Empty);
    }

    [Test]
    public void An_event_may_be_destroyed_before_it_comes()
    {
        using CudaRig rig = new();
        CudaStream second = rig.NewStream();
        CudaBuffer buffer = Zero(rig);
        rig.Add(rig.Stream, buffer.First, buffer.First, 1, 1);
        using (CudaEvent made = new(rig.Context))
        {
            made.Record(rig.Stream);
            second.WaitFor(made);
        }
        rig.Add(second, buffer.First, buffer.First, 1, 1);
        Assert.That(rig.Read(second, buffer.First, 1), Is.EqualTo(Two));
    }

    [Test]
    public void A_stream_may_be_destroyed_while_it_has_work()
    {
        using CudaRig rig = new();
        CudaBuffer buffer = Zero(rig);
        using (CudaStream second = new(rig.Context))
        {
            rig.Add(second, buffer.First, buffer.First, 1, 1);
            rig.Add(second, buffer.First, buffer.First, 1, 1);
        }
        rig.Context.Synchronize();
        Assert.That(rig.Read(rig.Stream, buffer.First, 1), Is.EqualTo(Two));
    }

    [Test]
    public void Memory_that_is_freed_is_waited_for()
    {
        using CudaRig rig = new();
        CudaBuffer buffer = Zero(rig), other = new(rig.Context, 4);
        rig.Add(rig.Stream, buffer.First, other.First, 1, 1);
        rig.Add(rig.Stream, other.First, buffer.First, 1, 1);
        other.Dispose();
        Assert.That(rig.Read(rig.Stream, buffer.First, 1), Is.EqualTo(Two));
        Assert.That(StandIn.TakeTakenAway(), Is.Empty);
    }

    [Test]
    public void A_module_that_is_unloaded_under_a_pending_kernel_is_a_fault([Values] bool isGraph)
    {
        using CudaRig rig = new();
        CudaBuffer buffer = Zero(rig);
        CudaModule module = Loaded(rig);
        CudaFunction probe = module.Function("pd_standin_probe", sizeof(CudaRig.Probe), 0);
        using CudaGraph? graph = isGraph ? Capture(rig, probe, buffer.First) : null;
        if (graph is not null)
            rig.Stream.Launch(graph);
        else
            Add(rig, probe, buffer.First);
        module.Dispose();
        AssertFault(rig, CudaResult.LaunchFailed, "pd_standin_probe: its module was unloaded");
    }

    [Test]
    public void A_module_that_has_nothing_pending_may_be_unloaded_and_has_no_kernels_from_then_on()
    {
        using CudaRig rig = new();
        CudaBuffer buffer = Zero(rig);
        CudaModule module = Loaded(rig);
        CudaFunction probe = module.Function("pd_standin_probe", sizeof(CudaRig.Probe), 0);
        using CudaGraph graph = Capture(rig, probe, buffer.First);
        rig.Stream.Launch(graph);
        Add(rig, probe, buffer.First);
        rig.Stream.Synchronize();
        module.Dispose();
        Assert.That(rig.Read(rig.Stream, buffer.First, 1), Is.EqualTo(Two));
        Assert.That(
            () => Add(rig, probe, buffer.First),
            Throws.TypeOf<CudaException>().With.Message.Contains("its module was unloaded"));
        rig.Stream.Launch(graph);
        AssertFault(rig, CudaResult.LaunchFailed, "pd_standin_probe: its module was unloaded");
    }

    [Test]
    public void Memory_that_is_unmapped_under_a_graph_in_flight_is_a_fault([Values] bool comesBack)
    {
        using CudaRig rig = new();
        CudaPool pool = rig.Pool(1, 0, 0);
        rig.Stream.Fill(pool.First, 0, 4);
        using CudaGraph graph = Capture(rig, rig.Probes[0], pool.First);
        rig.Stream.Launch(graph);
        pool.Release();
        if (comesBack)
            pool.Commit();
        AssertFault(
            rig, CudaResult.IllegalAddress, comesBack ? "was unmapped while this was pending" : "no longer");
    }

    [Test]
    public void A_graph_outlives_memory_that_goes_and_comes_while_none_of_its_launches_is_pending()
    {
        using CudaRig rig = new();
        CudaPool pool = rig.Pool(1, 0, 0);
        using CudaGraph graph = Capture(rig, rig.Probes[0], pool.First);
        rig.Stream.Launch(graph);
        rig.Stream.Synchronize();
        pool.Release();
        pool.Commit();
        rig.Stream.Fill(pool.First, 0, 4);
        rig.Stream.Launch(graph);
        rig.Stream.Launch(graph);
        Assert.That(rig.Read(rig.Stream, pool.First, 1), Is.EqualTo(Two));
        Assert.That(StandIn.TakeTakenAway(), Is.Empty);
    }

    [Test]
    public void Memory_that_was_freed_is_a_fault_of_the_graph_that_is_launched_after()
    {
        using CudaRig rig = new();
        CudaBuffer buffer = new(rig.Context, 4);
        using CudaGraph graph = Capture(rig, rig.Probes[0], buffer.First);
        rig.Stream.Launch(graph);
        buffer.Dispose();
        rig.Stream.Launch(graph);
        AssertFault(rig, CudaResult.IllegalAddress, "no longer, device memory");
    }

    // The next allocation of the same size must not stand in for the one that is gone.
    [Test]
    public void Pinned_memory_that_is_freed_under_a_pending_copy_is_a_fault([Values] bool isGraph)
    {
        using CudaRig rig = new();
        CudaBuffer buffer = Zero(rig);
        PinnedBuffer source = rig.Pinned(1);
        if (isGraph)
            rig.Stream.BeginCapture();
        rig.Stream.CopyToDevice(buffer.First, source.First, 4);
        using CudaGraph? graph = isGraph ? rig.Stream.EndCapture() : null;
        if (graph is not null)
            rig.Stream.Launch(graph);
        source.Dispose();
        rig.Pinned(2);
        AssertFault(rig, CudaResult.IllegalAddress, "the pinned source of a copy was freed");
    }

    [Test]
    public void A_test_that_takes_away_what_is_still_to_be_used_is_named_to_the_next()
    {
        using (CudaRig rig = new())
        {
            CudaPool pool = rig.Pool(1, 0, 0);
            rig.Add(rig.Stream, pool.First, pool.First, 1, 1);
            pool.Release();
        }
        Assert.That(
            () => StandIn.Reset(),
            Throws.InvalidOperationException.With.Message.Contains(nameof(TakenAwayTests)));
    }

    private static CudaBuffer Zero(CudaRig rig)
    {
        CudaBuffer buffer = rig.Device(1);
        rig.Stream.Fill(buffer.First, 0, 4);
        rig.Stream.Synchronize();
        return buffer;
    }

    private static CudaModule Loaded(CudaRig rig) =>
        new(rig.Context, CudaRig.Image($"entry pd_standin_probe {sizeof(CudaRig.Probe)}"));

    private static CudaGraph Capture(CudaRig rig, CudaFunction probe, ulong address)
    {
        rig.Stream.BeginCapture();
        Add(rig, probe, address);
        return rig.Stream.EndCapture();
    }

    private static void Add(CudaRig rig, CudaFunction probe, ulong address) =>
        rig.Stream.Launch(
            probe, new(1), new(32), 0,
            new CudaRig.Probe { Source = address, Target = address, Count = 1, Value = 1 });

    private static void AssertFault(CudaRig rig, CudaResult result, string why)
    {
        Assert.That(
            rig.Stream.Synchronize,
            Throws.TypeOf<CudaException>().With.Property("Result").EqualTo(result).And.Message.Contains(why));
        Assert.That(StandIn.TakeTakenAway(), Does.Contain(why));
    }
}
