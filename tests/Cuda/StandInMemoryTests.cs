using PdEngine.Interop;

namespace PdEngine.Tests;

/// <summary>Memory of the stand-in driver: who may touch what, and when copies read and write.</summary>
[Category("Cuda")]
public sealed unsafe class StandInMemoryTests
{
    [Test]
    public void A_pinned_source_is_read_when_the_copy_runs()
    {
        using CudaRig rig = new();
        PinnedBuffer source = rig.Pinned(1);
        CudaBuffer buffer = rig.Device(1);
        rig.Stream.CopyToDevice(buffer.First, source.First, 4);
        *(float*)source.First = 2;
        Assert.That(rig.Read(rig.Stream, buffer.First, 1), Is.EqualTo(new[] { 2f }));
    }

    [Test]
    public void A_pageable_source_is_read_at_the_call()
    {
        using CudaRig rig = new();
        float[] source = [1];
        CudaBuffer buffer = rig.Device(1);
        fixed (float* first = source)
            rig.Stream.CopyToDevice(buffer.First, first, 4);
        source[0] = 2;
        Assert.That(rig.Read(rig.Stream, buffer.First, 1), Is.EqualTo(new[] { 1f }));
    }

    [Test]
    public void A_pinned_target_is_written_when_the_copy_runs()
    {
        using CudaRig rig = new();
        CudaBuffer buffer = rig.Device(1);
        PinnedBuffer target = rig.Pinned(7);
        rig.Stream.Fill(buffer.First, 0, 4);
        rig.Stream.CopyToHost(target.First, buffer.First, 4);
        Assert.That(*(float*)target.First, Is.EqualTo(7));
        rig.Stream.Synchronize();
        Assert.That(*(float*)target.First, Is.Zero);
    }

    [Test]
    public void New_memory_holds_nothing_that_passes_for_a_result()
    {
        using CudaRig rig = new();
        Assert.That(rig.Read(rig.Stream, rig.Device(1).First, 1)[0], Is.NaN);
        Assert.That(rig.Read(rig.Stream, rig.Pool(1, 0, 0).First, 1)[0], Is.NaN);
    }

    [Test]
    public void A_kernel_is_refused_memory_that_its_device_was_not_granted([Values] bool granted)
    {
        using CudaRig rig = new(deviceCount: 2);
        CudaPool pool = granted ? rig.Pool(1, 1, 0, 1) : rig.Pool(1, 1, 1);
        rig.Context.MakeCurrent();
        Assert.That(
            () => rig.Add(rig.Stream, pool.First, pool.First, 1, 1),
            granted ? Throws.Nothing
                : Throws.TypeOf<CudaException>().With.Message.Contains("memory of device 1"));
    }

    [Test]
    public void A_copy_is_refused_memory_that_its_device_was_not_granted([Values] bool granted)
    {
        using CudaRig rig = new(deviceCount: 2);
        CudaPool pool = granted ? rig.Pool(1, 1, 0, 1) : rig.Pool(1, 1, 1);
        CudaBuffer own = rig.Device(1);
        rig.Context.MakeCurrent();
        Assert.That(
            () => rig.Stream.CopyBatch([own.First], [pool.First], [4]),
            granted ? Throws.Nothing : Throws.TypeOf<CudaException>());
    }

    [Test]
    public void A_peer_copy_needs_no_access_to_the_other_end()
    {
        using CudaRig rig = new(deviceCount: 2);
        CudaPool there = rig.Pool(1, 1, 1);
        CudaBuffer here = rig.Device(1);
        rig.Contexts[1].MakeCurrent();
        rig.Streams[1].Fill(there.First, 0, 4);
        rig.Streams[1].Synchronize();
        rig.Context.MakeCurrent();
        rig.Stream.CopyPeer(rig.Context, here.First, rig.Contexts[1], there.First, 4);
        Assert.That(rig.Read(rig.Stream, here.First, 1), Is.EqualTo(new[] { 0f }));
    }

    [Test]
    public void A_kernel_that_comes_after_its_memory_is_gone_is_a_fault()
    {
        using CudaRig rig = new();
        CudaPool pool = rig.Pool(1, 0, 0);
        rig.Add(rig.Stream, pool.First, pool.First, 1, 1);
        pool.Release();
        Assert.That(
            rig.Stream.Synchronize, Throws.TypeOf<CudaException>().With.Property("Result")
                .EqualTo(CudaResult.IllegalAddress));
        Assert.That(rig.Stream.Synchronize, Throws.TypeOf<CudaException>(), "the fault sticks");
        Assert.That(StandIn.TakeTakenAway(), Does.Contain("no longer, device memory"));
    }

    [Test]
    public void A_pool_gives_its_memory_back_and_keeps_its_address_and_access()
    {
        using CudaRig rig = new(deviceCount: 2);
        long before = StandIn.UsedBytes(1);
        CudaPool pool = rig.Pool(1, 1, 0, 1);
        ulong address = pool.First;
        pool.Release();
        Assert.That(StandIn.UsedBytes(1), Is.EqualTo(before));
        pool.Commit();
        Assert.That(pool.First, Is.EqualTo(address));
        rig.Context.MakeCurrent();
        rig.Stream.Fill(pool.First, 0, 4);
        rig.Add(rig.Stream, pool.First, pool.First, 1, 1);
        Assert.That(rig.Read(rig.Stream, pool.First, 1), Is.EqualTo(new[] { 1f }));
    }

    [Test]
    public void Memory_runs_out_at_the_size_of_the_device()
    {
        using CudaRig rig = new();
        rig.Device(12 << 20);
        CudaException full = Assert.Throws<CudaException>(() => rig.Device(12 << 20))!;
        Assert.That(full.Result, Is.EqualTo(CudaResult.OutOfMemory));
    }

    [Test]
    public void Faults_come_when_they_are_asked_for()
    {
        using CudaRig rig = new();
        StandIn.Fail(StandIn.Allocation, after: 1);
        CudaBuffer buffer = rig.Device(1);
        Assert.That(() => rig.Device(1), Throws.TypeOf<CudaException>());
        rig.Device(1);
        PinnedBuffer source = rig.Pinned(1);
        StandIn.Fail(StandIn.Copy);
        rig.Stream.CopyToDevice(buffer.First, source.First, 4);
        Assert.That(rig.Stream.Synchronize, Throws.TypeOf<CudaException>());
    }

    [Test]
    public void A_lost_device_refuses_everything_and_the_others_go_on()
    {
        using CudaRig rig = new(deviceCount: 2);
        CudaBuffer buffer = rig.Device(1, device: 1);
        StandIn.LoseDevice(0);
        rig.Contexts[0].MakeCurrent();
        Assert.That(rig.Stream.Synchronize, Throws.TypeOf<CudaException>().With.Message.Contains("lost"));
        rig.Contexts[1].MakeCurrent();
        rig.Streams[1].Fill(buffer.First, 0, 4);
        Assert.That(rig.Read(rig.Streams[1], buffer.First, 1), Is.EqualTo(new[] { 0f }));
    }

    [Test]
    public void An_image_is_held_against_what_the_emulator_has(
        [Values("entry pd_standin_probe 24", "entry pd_standin_probe 32", "entry pd_none 24", "bytes")]
        string line)
    {
        using CudaRig rig = new();
        Assert.That(
            () => rig.Own(new CudaModule(rig.Context, CudaRig.Image(line))),
            line.EndsWith("probe 24", StringComparison.Ordinal) ? Throws.Nothing
                : Throws.TypeOf<CudaException>().With.Property("Result").EqualTo(CudaResult.InvalidImage));
    }

    [Test]
    public void A_ptx_image_is_read()
    {
        const string ptx = ".version 8.4\n.target sm_80\n.visible .entry pd_standin_probe(\n"
            + "    .param .align 8 .b8 pd_standin_probe_param_0[24]\n)\n{ ret; }\n\0";
        using CudaRig rig = new();
        using CudaModule module = new(rig.Context, System.Text.Encoding.UTF8.GetBytes(ptx));
        Assert.That(() => module.Function("pd_standin_probe", 24, 0), Throws.Nothing);
        Assert.That(() => module.Function("pd_standin_probe", 16, 0), Throws.TypeOf<CudaException>());
        Assert.That(() => module.Function("pd_other", 24, 0), Throws.TypeOf<CudaException>());
    }
}
