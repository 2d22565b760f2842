using PdEngine.Interop;

namespace PdEngine.Tests;

/// <summary>A kernel starts early only after a kernel, and in a graph only after one of that graph.</summary>
[Category("Cuda")]
[CancelAfter(60_000)]
public sealed unsafe class CudaEarlyStartTests
{
    [Test]
    public void A_kernel_starts_early_after_a_kernel([Values] bool isCaptured)
    {
        using CudaRig rig = new();
        CudaBuffer buffer = Filled(rig);
        if (isCaptured)
            rig.Stream.BeginCapture();
        rig.Add(rig.Stream, buffer.First, buffer.First, 1, 1);
        AddEarly(rig, buffer);
        AddEarly(rig, buffer);
        if (isCaptured)
        {
            using CudaGraph graph = rig.Stream.EndCapture();
            rig.Stream.Launch(graph);
            rig.Stream.Synchronize();
        }
        Assert.That(rig.Read(rig.Stream, buffer.First, 1), Is.EqualTo(new[] { 3f }));
        Assert.That(StandIn.EarlyLaunchCount(), Is.EqualTo(2));
    }

    [Test]
    public void The_first_kernel_of_a_graph_does_not_start_early()
    {
        using CudaRig rig = new();
        CudaBuffer buffer = Filled(rig);
        rig.Add(rig.Stream, buffer.First, buffer.First, 1, 1);
        rig.Stream.BeginCapture();
        Assert.That(
            () => AddEarly(rig, buffer),
            Throws.TypeOf<CudaException>().With.Property("Result").EqualTo(CudaResult.InvalidValue));
        Assert.That(
            () => rig.Stream.EndCapture(),
            Throws.TypeOf<CudaException>().With.Property("Result").EqualTo(CudaResult.CaptureInvalidated));
    }

    [Test]
    public void Nothing_starts_early_after_what_is_no_kernel(
        [Values("nothing", "fill", "record", "wait", "graph")] string what)
    {
        using CudaRig rig = new();
        CudaBuffer buffer = rig.Device(1);
        CudaEvent recorded = rig.NewEvent();
        if (what != "nothing")
            rig.Add(rig.Stream, buffer.First, buffer.First, 1, 1);
        using CudaGraph? graph = what == "graph" ? Recorded(rig, buffer) : null;
        switch (what)
        {
            case "fill":
                rig.Stream.Fill(buffer.First, 0, 4);
                break;
            case "record":
                recorded.Record(rig.Stream);
                break;
            case "wait":
                rig.Stream.WaitFor(recorded);
                break;
            case "graph":
                rig.Stream.Launch(graph!);
                break;
            default:
                break;
        }
        Assert.That(
            () => AddEarly(rig, buffer),
            Throws.TypeOf<CudaException>().With.Property("Result").EqualTo(CudaResult.InvalidValue));
    }

    [Test]
    public void Nothing_starts_early_after_what_is_no_kernel_of_its_graph()
    {
        using CudaRig rig = new();
        CudaBuffer buffer = Filled(rig);
        rig.Stream.BeginCapture();
        rig.Add(rig.Stream, buffer.First, buffer.First, 1, 1);
        rig.Stream.Fill(buffer.First, 0, 4);
        Assert.That(
            () => AddEarly(rig, buffer),
            Throws.TypeOf<CudaException>().With.Property("Result").EqualTo(CudaResult.InvalidValue));
        Assert.That(() => rig.Stream.EndCapture(), Throws.TypeOf<CudaException>());
    }

    [Test]
    public void Steps_that_are_recorded_start_early_where_the_gpu_waits([Values(80, 90, 100)] int capability)
    {
        using CudaStepRig rig = new(usesGraphs: true, capability: capability);
        rig.Prefill(3, tokens: 20);
        for (int step = 0; step < 4; step++)
        {
            rig.Start();
            rig.Finish();
        }
        Assert.That(StandIn.GraphLaunchCount(), Is.GreaterThan(0));
        Assert.That(
            StandIn.EarlyLaunchCount(),
            capability == 90 ? Is.GreaterThan(StandIn.LaunchCount() / 2) : Is.Zero);
    }

    private static CudaBuffer Filled(CudaRig rig)
    {
        CudaBuffer buffer = rig.Device(1);
        rig.Stream.Fill(buffer.First, 0, 4);
        return buffer;
    }

    private static CudaGraph Recorded(CudaRig rig, CudaBuffer buffer)
    {
        rig.Stream.BeginCapture();
        rig.Add(rig.Stream, buffer.First, buffer.First, 1, 1);
        return rig.Stream.EndCapture();
    }

    private static void AddEarly(CudaRig rig, CudaBuffer buffer)
    {
        CudaRig.Probe probe = new() { Source = buffer.First, Target = buffer.First, Count = 1, Value = 1 };
        rig.Stream.LaunchEarly(rig.Probes[0], new(1), new(32), 0, &probe);
    }
}
