using PdEngine.Interop;

namespace PdEngine.Tests;

/// <summary>Streams, events and graphs of the stand-in driver: as late as is allowed.</summary>
[Category("Cuda")]
public sealed unsafe class StandInStreamTests
{
    [Test]
    public void Nothing_runs_before_somebody_waits()
    {
        using CudaRig rig = new();
        CudaBuffer buffer = rig.Device(1);
        rig.Stream.Fill(buffer.First, 0, sizeof(float));
        rig.Add(rig.Stream, buffer.First, buffer.First, 1, 2);
        Assert.That(StandIn.LaunchCount(), Is.Zero);
        rig.Stream.Synchronize();
        Assert.That(StandIn.LaunchCount(), Is.EqualTo(1));
        Assert.That(rig.Read(rig.Stream, buffer.First, 1), Is.EqualTo(new[] { 2f }));
    }

    [Test]
    public void A_wait_that_was_forgotten_shows_in_the_values([Values] bool waits)
    {
        using CudaRig rig = new();
        CudaStream second = rig.NewStream();
        CudaEvent made = rig.NewEvent();
        CudaBuffer buffer = rig.Device(2);
        rig.Stream.Fill(buffer.First, 0, sizeof(float));
        made.Record(rig.Stream);
        if (waits)
            second.WaitFor(made);
        rig.Add(second, buffer.First, buffer.First + 4, 1, 1);
        float read = rig.Read(second, buffer.First + 4, 1)[0];
        Assert.That(float.IsNaN(read), Is.Not.EqualTo(waits), $"read {read}");
    }

    [Test]
    public void A_wait_is_for_what_was_recorded_when_it_was_asked_for()
    {
        using CudaRig rig = new();
        CudaStream second = rig.NewStream();
        CudaEvent recorded = rig.NewEvent();
        recorded.Record(rig.Stream);
        second.WaitFor(recorded);
        CudaBuffer buffer = rig.Device(1);
        rig.Stream.Fill(buffer.First, 0, sizeof(float));
        recorded.Record(rig.Stream);
        rig.Add(second, buffer.First, buffer.First, 1, 1);
        Assert.That(rig.Read(second, buffer.First, 1)[0], Is.NaN);
    }

    [Test]
    public void Streams_run_in_another_order_by_seed()
    {
        HashSet<ulong> launched = [];
        for (ulong seed = 1; seed <= 8; seed++)
        {
            using CudaRig rig = new(seed: seed);
            CudaBuffer buffer = rig.Device(1);
            for (int i = 0; i < 8; i++)
                rig.Add(rig.Stream, buffer.First, buffer.First, 1, 1);
            launched.Add(StandIn.LaunchCount());
        }
        Assert.That(launched, Has.Count.GreaterThan(2));
    }

    [Test]
    public void An_event_belongs_to_a_context()
    {
        using CudaRig rig = new(deviceCount: 2);
        CudaEvent foreign = rig.NewEvent(device: 1);
        rig.Context.MakeCurrent();
        Assert.That(
            () => foreign.Record(rig.Stream),
            Throws.TypeOf<CudaException>().With.Message.Contains("context"));
    }

    [Test]
    public void A_stream_is_used_in_its_own_context()
    {
        using CudaRig rig = new(deviceCount: 2);
        CudaBuffer buffer = rig.Device(1);
        rig.Contexts[1].MakeCurrent();
        Assert.That(
            () => rig.Stream.Fill(buffer.First, 0, 4),
            Throws.TypeOf<CudaException>().With.Message.Contains("another context"));
    }

    [Test]
    public void A_stream_may_wait_for_another_devices_event()
    {
        using CudaRig rig = new(deviceCount: 2);
        CudaPool shared = rig.Pool(1, 0, 0, 1);
        CudaEvent made = rig.NewEvent();
        rig.Stream.Fill(shared.First, 0, 4);
        made.Record(rig.Stream);
        rig.Contexts[1].MakeCurrent();
        CudaBuffer own = rig.Device(1, device: 1);
        rig.Streams[1].WaitFor(made);
        rig.Add(rig.Streams[1], shared.First, own.First, 1, 3, device: 1);
        Assert.That(rig.Read(rig.Streams[1], own.First, 1), Is.EqualTo(new[] { 3f }));
    }

    [Test]
    public void An_event_that_is_asked_for_ever_comes()
    {
        using CudaRig rig = new();
        CudaEvent done = rig.NewEvent();
        CudaBuffer buffer = rig.Device(1);
        for (int i = 0; i < 5; i++)
            rig.Stream.Fill(buffer.First, 0, 4);
        done.Record(rig.Stream);
        int asked = 0;
        while (!done.IsDone && asked < 100)
            asked++;
        Assert.That(asked, Is.InRange(1, 99));
    }

    [Test]
    public void Captured_work_runs_when_its_graph_is_launched_with_the_arguments_it_had()
    {
        using CudaRig rig = new();
        CudaBuffer buffer = rig.Device(1);
        rig.Stream.Fill(buffer.First, 0, 4);
        rig.Stream.Synchronize();
        rig.Stream.BeginCapture();
        rig.Add(rig.Stream, buffer.First, buffer.First, 1, 5);
        using CudaGraph graph = rig.Stream.EndCapture();
        rig.Stream.Synchronize();
        Assert.That(StandIn.LaunchCount(), Is.Zero);
        rig.Stream.Launch(graph);
        rig.Stream.Launch(graph);
        Assert.That(rig.Read(rig.Stream, buffer.First, 1), Is.EqualTo(new[] { 10f }));
    }

    [Test]
    public void What_a_graph_cannot_hold_breaks_the_capture(
        [Values("allocate", "free", "synchronise", "record", "wait")] string what)
    {
        using CudaRig rig = new();
        CudaBuffer buffer = rig.Device(1);
        CudaEvent recorded = rig.NewEvent();
        rig.Stream.BeginCapture();
        Assert.That(() => Break(rig, what, recorded), what == "free" ? Throws.Nothing
            : Throws.TypeOf<CudaException>().With.Property("Result").EqualTo(CudaResult.CaptureUnsupported));
        Assert.That(
            () => rig.Stream.EndCapture(),
            Throws.TypeOf<CudaException>().With.Property("Result").EqualTo(CudaResult.CaptureInvalidated));
    }

    private static void Break(CudaRig rig, string what, CudaEvent recorded)
    {
        switch (what)
        {
            case "allocate":
                rig.Device(1);
                break;
            case "free":
                // A handle's release does not throw; the capture is broken all the same.
                rig.Driver.Api.cuMemFree(1);
                break;
            case "synchronise":
                rig.Stream.Synchronize();
                break;
            case "record":
                recorded.Record(rig.Stream);
                break;
            default:
                rig.Stream.WaitFor(recorded);
                break;
        }
    }
}
