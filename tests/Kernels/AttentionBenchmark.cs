using System.Diagnostics;
using System.Runtime.InteropServices;
using PdEngine.Interop;

namespace PdEngine.Tests;

/// <summary>Rates of pd_cpu_attend with 16 query heads on 8 KV heads of 128 dims.</summary>
[Explicit("prints rates; asserts nothing")]
public sealed unsafe class AttentionBenchmark
{
    private const int Repeats = 9;

    [Test]
    public void Prefill(
        [Values(AttentionIsa.Avx2, AttentionIsa.Avx512, AttentionIsa.Avx512Bf16)] int isa,
        [Values(16, 64)] int pageSize,
        [Values(512, 4096)] int tokens)
    {
        AttentionSetup setup = new(isa, 16, 8, 128, pageSize, Threads: Environment.ProcessorCount);
        double seconds = Time(setup, 1, tokens, tokens);
        double flops = 4.0 * setup.QueryColumns * tokens * (tokens + 1.0) / 2;
        TestContext.Out.WriteLine(
            $"prefill isa {isa} page {pageSize}: {tokens} tokens {seconds * 1e3:f2} ms, "
            + $"{flops / seconds / 1e9:f1} GFLOP/s on {setup.Threads} threads");
    }

    [Test]
    public void Decode(
        [Values(AttentionIsa.Avx2, AttentionIsa.Avx512, AttentionIsa.Avx512Bf16)] int isa,
        [Values(16, 64)] int pageSize,
        [Values(512, 4096)] int context)
    {
        AttentionSetup setup = new(isa, 16, 8, 128, pageSize, Threads: Environment.ProcessorCount);
        int sequences = 65536 / context;
        double seconds = Time(setup, sequences, context, 1);
        double bytes = 4.0 * setup.KvColumns * context * sequences;
        TestContext.Out.WriteLine(
            $"decode isa {isa} page {pageSize}: {sequences} x {context} {seconds * 1e3:f2} ms, "
            + $"{bytes / seconds / 1e9:f1} GB/s on {setup.Threads} threads");
    }

    /// <summary>Median seconds of one call: the last queries of so many sequences of one length.</summary>
    private static double Time(AttentionSetup setup, int sequences, int length, int queries)
    {
        AttentionIsa.Require(setup.Isa);
        int blocksEach = (length + setup.PageSize - 1) / setup.PageSize;
        int[] blocks = [.. Enumerable.Range(0, sequences * blocksEach)];
        new Random(1).Shuffle(blocks);
        long blockBytes = 4L * setup.KvHeads * setup.HeadElements;
        byte* store = (byte*)NativeMemory.AlignedAlloc((nuint)(blockBytes * blocks.Length), 1 << 21);
        Span<ushort> elements = new(store, checked((int)(blockBytes * blocks.Length / 2)));
        Random random = new(2);
        foreach (ref ushort element in elements)
            element = (ushort)(0x3f80 | (random.Next() & 0x807f));
        AttentionSlice[] slices = new AttentionSlice[sequences];
        for (int i = 0; i < sequences; i++)
            slices[i] = new(i * queries, queries, length - queries, i * blocksEach);
        float[] rows = new float[sequences * queries * setup.QueryColumns];
        foreach (ref float element in rows.AsSpan())
            element = random.NextSingle() - 0.5f;
        float[] output = new float[rows.Length];
        using CpuTeam team = CpuTeam.Create(setup.Threads);
        fixed (AttentionSlice* firstSlice = slices)
        fixed (int* firstBlock = blocks)
        fixed (float* q = rows, y = output)
        {
            AttendArgs args = new()
            {
                Team = team.Address, Q = q, Store = store, Slices = firstSlice, Blocks = firstBlock, Y = y,
                QStride = setup.QueryColumns, YStride = setup.QueryColumns, BlockBytes = blockBytes,
                SliceCount = sequences, TokenCount = sequences * queries, Heads = setup.Heads,
                KvHeads = setup.KvHeads, HeadDim = setup.HeadDim, PageSize = setup.PageSize,
                Scale = setup.Scale, Isa = setup.Isa, StoreKvHeads = setup.StoreKvHeads,
            };
            double seconds = Median(ref args);
            NativeMemory.AlignedFree(store);
            return seconds;
        }
    }

    private static double Median(ref AttendArgs args)
    {
        fixed (AttendArgs* call = &args)
        {
            call->ScratchBytes = CpuNative.pd_cpu_attend_scratch_bytes(call);
            call->Scratch = NativeMemory.AlignedAlloc((nuint)call->ScratchBytes, 64);
            double[] seconds = new double[Repeats];
            for (int i = 0; i < Repeats; i++)
            {
                Stopwatch watch = Stopwatch.StartNew();
                NativeCalls.ThrowIfFailed(CpuNative.pd_cpu_attend(call));
                seconds[i] = watch.Elapsed.TotalSeconds;
            }
            NativeMemory.AlignedFree(call->Scratch);
            Array.Sort(seconds);
            return seconds[Repeats / 2];
        }
    }
}
