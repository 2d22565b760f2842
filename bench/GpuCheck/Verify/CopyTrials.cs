using PdEngine.Interop;

namespace PdEngine.Bench;

/// <summary>Blocks between two pools of one GPU: byte for byte, by the kernel and by the driver's
/// batch.</summary>
internal sealed class CopyTrials(CheckRig rig)
{
    private const int Blocks = 37;

    public IEnumerable<CheckCase> Cases()
    {
        yield return new("verify/copy by push kernel", () => Copy("verify/copy by push kernel", Push));
        yield return new("verify/copy of other heads", () => Copy("verify/copy of other heads", PushHeads));
        yield return new("verify/copy by batch", () => Copy("verify/copy by batch", Batch));
    }

    private CheckRow Copy(string name, Action<CudaKvStore, CudaKvStore, int[]> copy)
    {
        KvLayout layout = KvLayout.GroupedQuery(3, 16, 4, 32, KvElement.BFloat16);
        using CudaKvStore source = (CudaKvStore)rig.Backend.CreateKvStore(layout, Blocks);
        using CudaKvStore target = (CudaKvStore)rig.Backend.CreateKvStore(layout, Blocks);
        byte[] expected = new byte[layout.BlockBytes * Blocks];
        new Random(3).NextBytes(expected);
        rig.Gpu.Upload(source.Pool.First, expected);
        int[] places = [.. Enumerable.Range(0, Blocks)];
        new Random(4).Shuffle(places);
        copy(source, target, places);
        rig.Gpu.Run(rig.Gpu.Context.Synchronize);
        byte[] actual = new byte[expected.Length];
        rig.Gpu.Download(target.Pool.First, actual);
        for (int block = 0; block < Blocks; block++)
        {
            ReadOnlySpan<byte> from = expected.AsSpan((int)layout.BlockBytes * block, (int)layout.BlockBytes);
            ReadOnlySpan<byte> to = actual.AsSpan(
                (int)layout.BlockBytes * places[block], (int)layout.BlockBytes);
            int same = from.CommonPrefixLength(to);
            if (same < from.Length)
            {
                return new CheckRow(name).Failed(
                    $"{name}: byte {same} of block {block} is {to[same]} and should be {from[same]}; seed 3");
            }
        }
        return new CheckRow(name).With("compared", expected.Length);
    }

    private void Push(CudaKvStore source, CudaKvStore target, int[] places) =>
        target.CopyBlocks(source, Sources, places, new KvHeadRun(0, 0, 4), 0, 3);

    private void PushHeads(CudaKvStore source, CudaKvStore target, int[] places)
    {
        target.CopyBlocks(source, Sources, places, new KvHeadRun(0, 0, 1), 0, 3);
        target.CopyBlocks(source, Sources, places, new KvHeadRun(1, 1, 3), 0, 1);
        target.CopyBlocks(source, Sources, places, new KvHeadRun(1, 1, 3), 1, 2);
    }

    private void Batch(CudaKvStore source, CudaKvStore target, int[] places)
    {
        ulong bytes = (ulong)source.Layout.BlockBytes;
        ulong[] from = [.. Sources.Select(block => source.Pool.First + ((ulong)block * bytes))];
        ulong[] to = [.. places.Select(block => target.Pool.First + ((ulong)block * bytes))];
        nuint[] sizes = new nuint[Blocks];
        Array.Fill(sizes, (nuint)bytes);
        rig.Gpu.Run(() => rig.Stream.CopyBatch(to, from, sizes));
    }

    private static int[] Sources { get; } = [.. Enumerable.Range(0, Blocks)];
}
