using PdEngine.Interop;

namespace PdEngine.Tests;

/// <summary>pd_cpu_attend refuses what it cannot do, and says why.</summary>
public sealed unsafe class AttentionArgumentTests
{
    private delegate void Spoil(ref AttendArgs args);

    [Test]
    public void Bad_arguments_are_refused_with_the_reason()
    {
        AttentionIsa.Require(AttentionIsa.Avx2);
        Refused((ref AttendArgs a) => a.HeadDim = 31, "31");
        Refused((ref AttendArgs a) => a.HeadDim = 0, "0 dims");
        Refused((ref AttendArgs a) => a.PageSize = 512, "512");
        Refused((ref AttendArgs a) => a.PageSize = 0, "0 positions");
        Refused((ref AttendArgs a) => a.KvHeads = 3, "evenly");
        Refused((ref AttendArgs a) => a.FirstKvHead = 1, "from head 1 on, in a store of 2");
        Refused((ref AttendArgs a) => a.FirstKvHead = -1, "head -1");
        Refused((ref AttendArgs a) => a.StoreKvHeads = 1, "store of 1");
        Refused((ref AttendArgs a) => a.Window = -1, "window");
        Refused((ref AttendArgs a) => a.BlockBytes = 64, "64 bytes apart");
        Refused((ref AttendArgs a) => a.QStride = 5, "strides");
        Refused((ref AttendArgs a) => a.YStride = 5, "strides");
        Refused((ref AttendArgs a) => a.Q = null, "null");
        Refused((ref AttendArgs a) => a.Blocks = null, "null");
        Refused((ref AttendArgs a) => a.Scratch = (byte*)a.Scratch + 4, "aligned");
        Refused((ref AttendArgs a) => a.ScratchBytes--, "scratch has");
        Refused((ref AttendArgs a) => a.TokenCount = 1, "slice 0");
        Refused((ref AttendArgs a) => a.Isa = 0, "instruction set");
        Refused((ref AttendArgs a) => a.Team = 0, "team");
        Refused((ref AttendArgs a) => ((AttentionSlice*)a.Slices)[0] = new(0, 0, 0, 0), "0 queries");
        Refused((ref AttendArgs a) => ((AttentionSlice*)a.Slices)[0] = new(0, 1, -1, 0), "position -1");
        Refused((ref AttendArgs a) => ((AttentionSlice*)a.Slices)[1] = new(1, 1, 0, 0), "slice 1");
    }

    [Test]
    public void An_empty_batch_is_no_work()
    {
        AttentionIsa.Require(AttentionIsa.Avx2);
        Assert.DoesNotThrow(() => Call((ref AttendArgs a) => (a.SliceCount, a.TokenCount) = (0, 0)));
    }

    [Test]
    public void Scratch_of_bad_arguments_is_minus_one()
    {
        AttendArgs args = default;
        Assert.That(CpuNative.pd_cpu_attend_scratch_bytes(&args), Is.EqualTo(-1));
    }

    private static void Refused(Spoil spoil, string expected)
    {
        NativeException error = Assert.Throws<NativeException>(() => Call(spoil))!;
        Assert.That(error.Message, Does.Contain(expected));
    }

    private static void Call(Spoil spoil)
    {
        AttentionSetup setup = new(AttentionIsa.Avx2, 4, 2, 32, 16);
        using AttentionStore store = new(setup, new AttentionSequence(setup, 1, 20));
        store.Write(0, 20);
        float[] rows = new float[3 * setup.QueryColumns], output = new float[3 * setup.QueryColumns];
        AttentionSlice[] slices = [new(0, 2, 18, 0), new(2, 1, 5, 0)];
        byte[] scratch = new byte[1 << 20];
        fixed (AttentionSlice* firstSlice = slices)
        fixed (int* blocks = store.Blocks)
        fixed (float* q = rows, y = output)
        fixed (byte* memory = scratch)
        {
            AttendArgs args = new()
            {
                Team = store.Team, Q = q, Store = store.Layer, Slices = firstSlice, Blocks = blocks, Y = y,
                Scratch = (void*)(((nint)memory + 63) & ~63), QStride = setup.QueryColumns,
                YStride = setup.QueryColumns, BlockBytes = store.BlockElements * 2, SliceCount = 2,
                TokenCount = 3, Heads = 4, KvHeads = 2, HeadDim = 32, PageSize = 16, Scale = setup.Scale,
                Isa = setup.Isa, StoreKvHeads = 2,
            };
            args.ScratchBytes = CpuNative.pd_cpu_attend_scratch_bytes(&args);
            Assert.That(args.ScratchBytes, Is.LessThan(scratch.Length - 64));
            spoil(ref args);
            NativeCalls.ThrowIfFailed(CpuNative.pd_cpu_attend(&args));
        }
    }
}
