namespace PdEngine.Bench;

/// <summary>
/// Blocks of an 8B model between two pools of one GPU: what a hand-off between pools takes.
/// </summary>
internal sealed class TransferRows(CheckRig rig, CeilingRows ceilings)
{
    private CheckScale Scale => rig.Settings.Scale;

    public IEnumerable<CheckCase> Cases()
    {
        foreach (int page in (int[])[16, 64])
        {
            foreach (int layersAtOnce in Scale.IsToy ? (int[])[2] : [8, 32])
            {
                string name = $"kernel/push pages of {page}, {layersAtOnce} layers";
                yield return new(name, () => Push(name, page, layersAtOnce, heads: null));
            }
            string cut = $"kernel/reshard pages of {page}, half of the heads";
            yield return new(cut, () => Push(cut, page, Scale.IsToy ? 2 : 8, heads: new(0, 0, 2)));
            string batch = $"kernel/batch copy pages of {page}, 8 layers";
            yield return new(batch, () => Batch(batch, page));
        }
    }

    private KvLayout Layout(int page) => Scale.IsToy
        ? KvLayout.GroupedQuery(2, page, 4, 32, KvElement.BFloat16)
        : KvLayout.GroupedQuery(32, page, 8, 128, KvElement.BFloat16);

    private CheckRow Push(string name, int page, int layersAtOnce, KvHeadRun? heads)
    {
        KvLayout layout = Layout(page);
        KvHeadRun run = heads ?? new(0, 0, layout.HeadCount);
        int blocks = (int)Math.Clamp(Scale.CopyBytes / 4 / layout.BlockBytes, 2, 512);
        using CudaKvStore source = (CudaKvStore)rig.Backend.CreateKvStore(layout, blocks);
        using CudaKvStore target = (CudaKvStore)rig.Backend.CreateKvStore(layout, blocks);
        int[] from = Shuffled(blocks, 1), to = Shuffled(blocks, 2);
        double seconds = rig.Seconds(
            _ =>
            {
                for (int layer = 0; layer < layout.LayerCount; layer += layersAtOnce)
                    target.CopyBlocks(source, from, to, run, layer, layersAtOnce);
            },
            isCaptured: false, rig.Backend.PullLane);
        return Row(name, seconds, (double)blocks * layout.BlockBytes * run.HeadCount / layout.HeadCount);
    }

    private CheckRow Batch(string name, int page)
    {
        KvLayout layout = Layout(page);
        int blocks = (int)Math.Clamp(Scale.CopyBytes / 4 / layout.BlockBytes, 2, 512);
        using CudaKvStore source = (CudaKvStore)rig.Backend.CreateKvStore(layout, blocks);
        using CudaKvStore target = (CudaKvStore)rig.Backend.CreateKvStore(layout, blocks);
        long bytes = layout.BlockBytes / (Scale.IsToy ? 2 : 4);
        ulong[] from = Places(source, Shuffled(blocks, 1)), to = Places(target, Shuffled(blocks, 2));
        nuint[] sizes = new nuint[blocks];
        Array.Fill(sizes, (nuint)bytes);
        double seconds = rig.Seconds(_ => rig.Stream.CopyBatch(to, from, sizes), isCaptured: false);
        return Row(name, seconds, (double)blocks * bytes);
    }

    private static ulong[] Places(CudaKvStore store, int[] blocks) =>
        [.. blocks.Select(block => store.Pool.First + ((ulong)block * (ulong)store.Layout.BlockBytes))];

    private static int[] Shuffled(int count, int seed)
    {
        int[] blocks = [.. Enumerable.Range(0, count)];
        new Random(seed).Shuffle(blocks);
        return blocks;
    }

    private CheckRow Row(string name, double seconds, double bytes) =>
        new CheckRow(name).With("us", seconds * 1e6).With("gb_moved_per_second", bytes / seconds / 1e9)
            .With("share_of_copy", 2 * bytes / seconds / ceilings.BytesPerSecond);
}
