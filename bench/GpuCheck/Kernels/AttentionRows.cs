namespace PdEngine.Bench;

/// <summary>
/// Attention alone: decode against the bandwidth of a copy, prefill against the rate of a product. Layers of
/// the store are taken by turns, so that no cache holds what is read.
/// </summary>
internal sealed class AttentionRows(CheckRig rig, CeilingRows ceilings, TorchPeer peer)
{
    private const int PageSize = 64;
    private const int MostLayers = 64;

    private static readonly AttentionShape PrefillHeads = new(32, 8, 128);

    private CheckScale Scale => rig.Settings.Scale;

    public IEnumerable<CheckCase> Cases()
    {
        List<CheckCase> cases = [];
        foreach (int length in Scale.PrefillLengths)
            Add(cases, "prefill", Scale.IsToy ? Scale.DecodeHeads[0] : PrefillHeads, 1, 0, length);
        if (!Scale.IsToy)
        {
            Add(cases, "prefill", new(32, 8, 64), 1, 0, 8192);
            Add(cases, "prefill", PrefillHeads, 8, 0, 2048);
            Add(cases, "chunk", PrefillHeads, 1, 7680, 512);
            Add(cases, "chunk", PrefillHeads, 1, 30_720, 2048);
        }
        foreach (AttentionShape shape in Scale.DecodeHeads)
        {
            foreach (int batch in Scale.DecodeBatches)
            {
                foreach (int context in Scale.DecodeContexts)
                {
                    if (LayerBytes(shape, batch, context) <= Scale.KvBytes)
                        Add(cases, "decode", shape, batch, context - 1, 1);
                }
            }
        }
        return cases;
    }

    private void Add(
        List<CheckCase> cases, string phase, AttentionShape shape, int batch, int start, int queries)
    {
        string name = $"kernel/attention {phase} {shape.HeadCount}/{shape.KvHeadCount} of {shape.HeadDim} "
            + $"{batch}x{(phase == "prefill" ? queries : start + queries)}"
            + (phase == "chunk" ? $" last {queries}" : "");
        // Of a chunk PyTorch has no causal form.
        if (phase != "chunk")
            peer.AddAttention(shape, batch, queries, start + queries);
        cases.Add(new(name, () => Row(name, shape, batch, start, queries)));
    }

    private static long LayerBytes(AttentionShape shape, int batch, int positions) =>
        4L * batch * positions * shape.KvColumns;

    private CheckRow Row(string name, AttentionShape shape, int batch, int start, int queries)
    {
        int positions = start + queries;
        int layers = queries > 1
            ? 1 : (int)Math.Clamp(Scale.CacheBytes / LayerBytes(shape, batch, positions) + 1, 1, MostLayers);
        KvLayout layout = KvLayout.GroupedQuery(
            layers, PageSize, shape.KvHeadCount, shape.HeadDim, KvElement.BFloat16);
        int blocksEach = layout.BlocksFor(positions);
        using CudaKvStore store = (CudaKvStore)rig.Backend.CreateKvStore(layout, batch * blocksEach);
        using Tensor qkv = rig.Backend.CreateTensor(batch * queries, shape.QkvColumns);
        using Tensor output = rig.Backend.CreateTensor(batch * queries, shape.QueryColumns);
        using CheckMemory memory = new(rig);
        memory.Fill(store.Pool.First, layout.BlockBytes * store.BlockCount);
        memory.Fill((ulong)qkv.Address, (long)qkv.RowCapacity * qkv.Stride * sizeof(float));
        qkv.SetRows(batch * queries);
        output.SetRows(batch * queries);
        AttentionBatch slices = new();
        int[] blocks = [.. Enumerable.Range(0, batch * blocksEach)];
        new Random(batch).Shuffle(blocks);
        for (int i = 0; i < batch; i++)
            slices.Add(i * queries, start, queries, blocks.AsSpan(i * blocksEach, blocksEach));
        rig.Backend.Begin(slices, store, batch * queries);
        double seconds = rig.Seconds(
            call => rig.Backend.Attend(qkv, shape, store, call % layers, 0, slices, output));
        rig.Backend.End();
        rig.Gpu.Run(rig.Stream.Synchronize);
        double flops = OpWork.AttentionFlops(shape, slices), bytes = OpWork.AttentionBytes(shape, slices);
        CheckRow row = new CheckRow(name).With("us", seconds * 1e6).With("tflops", flops / seconds / 1e12)
            .With("gb_per_second", bytes / seconds / 1e9)
            .With("share_of_copy", bytes / seconds / ceilings.BytesPerSecond)
            .With("share_of_matmul", flops / seconds / ceilings.FlopsPerSecond);
        if (queries == 1)
            AddPlans(row, new(rig, memory, shape, store, slices), qkv, output, layers);
        if (start == 0 || queries == 1)
            peer.AddTo(row, TorchPeer.NameOf(shape, batch, queries, positions), seconds);
        return rig.Clocks.AddTo(row);
    }

    /// <summary>What other deals of the splits would take: all of a row to a block, or so many.</summary>
    private void AddPlans(CheckRow row, PlannedAttention planned, Tensor qkv, Tensor output, int layers)
    {
        foreach (int splits in (int[])[0, 1, 2, 4, 8])
        {
            if (splits >= planned.MostSplits)
                continue;
            Action<int> plan = planned.Plan(
                (ulong)qkv.Address, qkv.Stride, (ulong)output.Address, output.Stride * 2L, splits);
            row.With(
                splits == 0 ? "whole_us" : $"splits{splits}_us",
                rig.Seconds(call => plan(call % layers)) * 1e6);
        }
    }
}
