using PdEngine.Interop;

namespace PdEngine;

/// <summary>
/// Copies of KV blocks that a lane takes from its own GPU's memory or another's: whole heads between GPUs as
/// one batch for the copy engines, everything else that can be reached by one kernel, and what cannot be
/// reached run by run, which the driver takes through the host.
/// </summary>
internal sealed class CudaCopies(CudaLane lane) : IDisposable
{
    private readonly CudaBlockLists _lists = new(lane);
    private ulong[] _targets = new ulong[64];
    private ulong[] _sources = new ulong[64];
    private nuint[] _sizes = new nuint[64];

    /// <inheritdoc cref="KvStore.CopyBlocks"/>
    public long Copy(
        CudaKvStore source, CudaKvStore target, ReadOnlySpan<int> sourceBlocks,
        ReadOnlySpan<int> targetBlocks, in KvHeadRun heads, int firstLayer, int layerCount)
    {
        long headBytes = target.Layout.HeadBytes(target.Layout.Planes[0]);
        int planes = target.Layout.Planes.Count;
        if (sourceBlocks.Length > CudaBlockLists.MostBlocks)
        {
            const int most = CudaBlockLists.MostBlocks;
            return Copy(
                source, target, sourceBlocks[..most], targetBlocks[..most], heads, firstLayer, layerCount)
                + Copy(
                    source, target, sourceBlocks[most..], targetBlocks[most..], heads, firstLayer,
                    layerCount);
        }
        CudaGpu here = lane.Gpu, there = source.Pool.Gpu;
        bool isWhole = heads.HeadCount == target.Layout.HeadCount
            && heads.HeadCount == source.Layout.HeadCount;
        try
        {
            int lastGroup = (firstLayer + layerCount - 1) / source.Layout.GroupLayers;
            source.Pool.Order.Enter(lane, sourceBlocks, writes: false, lastGroup);
            target.Pool.Order.Enter(lane, targetBlocks, writes: true, 0);
            here.Context.MakeCurrent();
            if (here != there && !here.CanReach(there))
                CopyRuns(source, target, sourceBlocks, targetBlocks, heads, firstLayer, layerCount);
            else if (here != there && isWhole)
                CopyBatch(source, target, sourceBlocks, targetBlocks, firstLayer, layerCount);
            else
                CopyByKernel(source, target, sourceBlocks, targetBlocks, heads, firstLayer, layerCount);
            lane.Mark();
        }
        catch (CudaException refused)
        {
            throw here.Refused(refused);
        }
        return headBytes * heads.HeadCount * planes * layerCount * sourceBlocks.Length;
    }

    public void Dispose() => _lists.Dispose();

    private void CopyByKernel(
        CudaKvStore source, CudaKvStore target, ReadOnlySpan<int> sourceBlocks,
        ReadOnlySpan<int> targetBlocks, in KvHeadRun heads, int firstLayer, int layerCount)
    {
        KvLayout from = source.Layout, to = target.Layout;
        long headBytes = to.HeadBytes(to.Planes[0]);
        (ulong sourceList, ulong targetList) = _lists.Put(sourceBlocks, targetBlocks);
        CudaCopyBlocksArgs args = new()
        {
            Source = source.Pool.First,
            Target = target.Pool.First,
            SourceBlocks = sourceList,
            TargetBlocks = targetList,
            SourceBlockBytes = from.BlockBytes,
            SourceLayerBytes = from.LayerBytes,
            SourcePlaneBytes = from.HeadCount * headBytes,
            TargetBlockBytes = to.BlockBytes,
            TargetLayerBytes = to.LayerBytes,
            TargetPlaneBytes = to.HeadCount * headBytes,
            HeadBytes = headBytes,
            SourceLayer = firstLayer,
            TargetLayer = firstLayer,
            SourceHead = heads.SourceHead,
            TargetHead = heads.TargetHead,
            Heads = heads.HeadCount,
            Planes = to.Planes.Count,
        };
        lane.Stream.Launch(
            lane.Gpu.Kernels.CopyBlocks, new(layerCount * to.Planes.Count, sourceBlocks.Length),
            new(CudaKernels.CopyThreads), 0, args);
    }

    private void CopyBatch(
        CudaKvStore source, CudaKvStore target, ReadOnlySpan<int> sourceBlocks,
        ReadOnlySpan<int> targetBlocks, int firstLayer, int layerCount)
    {
        int count = sourceBlocks.Length;
        if (count > _targets.Length)
        {
            Array.Resize(ref _targets, count * 2);
            Array.Resize(ref _sources, count * 2);
            Array.Resize(ref _sizes, count * 2);
        }
        for (int i = 0; i < count; i++)
        {
            _sources[i] = Address(source, sourceBlocks[i], firstLayer);
            _targets[i] = Address(target, targetBlocks[i], firstLayer);
            _sizes[i] = (nuint)(target.Layout.LayerBytes * layerCount);
        }
        lane.Stream.CopyBatch(_targets.AsSpan(0, count), _sources.AsSpan(0, count), _sizes.AsSpan(0, count));
    }

    private void CopyRuns(
        CudaKvStore source, CudaKvStore target, ReadOnlySpan<int> sourceBlocks,
        ReadOnlySpan<int> targetBlocks, in KvHeadRun heads, int firstLayer, int layerCount)
    {
        KvLayout from = source.Layout, to = target.Layout;
        long headBytes = to.HeadBytes(to.Planes[0]);
        for (int i = 0; i < sourceBlocks.Length; i++)
        {
            for (int layer = firstLayer; layer < firstLayer + layerCount; layer++)
            {
                for (int plane = 0; plane < to.Planes.Count; plane++)
                {
                    long fromHead = (plane * from.HeadCount) + heads.SourceHead;
                    long toHead = (plane * to.HeadCount) + heads.TargetHead;
                    lane.Stream.CopyPeer(
                        lane.Gpu.Context,
                        Address(target, targetBlocks[i], layer) + (ulong)(toHead * headBytes),
                        source.Pool.Gpu.Context,
                        Address(source, sourceBlocks[i], layer) + (ulong)(fromHead * headBytes),
                        headBytes * heads.HeadCount);
                }
            }
        }
    }

    private static ulong Address(CudaKvStore store, int block, int layer) =>
        store.LayerAddress(layer) + ((ulong)block * (ulong)store.Layout.BlockBytes);
}
