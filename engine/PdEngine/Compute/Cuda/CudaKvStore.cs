using PdEngine.Interop;

namespace PdEngine;

/// <summary>The blocks of a pool as one lane uses them.</summary>
/// <param name="layout">Of the blocks.</param>
/// <param name="blockCount">How many.</param>
/// <param name="pool">Where they are.</param>
/// <param name="backend">Whose lane copies them.</param>
/// <param name="isOwner">Disposes of the pool.</param>
internal sealed class CudaKvStore(
    KvLayout layout, int blockCount, CudaKvPool pool, CudaBackend backend, bool isOwner)
    : KvStore(layout, blockCount)
{
    public CudaKvPool Pool => pool;

    public CudaLane Lane => backend.Lane;

    /// <summary>A layer's K plane of block 0, on the device.</summary>
    public ulong LayerAddress(int layer)
    {
        Check.That((uint)layer < (uint)Layout.LayerCount);
        return pool.First + (ulong)(layer * Layout.LayerBytes);
    }

    public override long CopyBlock(
        KvStore source, int sourceBlock, int targetBlock, in KvHeadRun heads, int firstLayer,
        int layerCount) =>
        CopyBlocks(source, [sourceBlock], [targetBlock], heads, firstLayer, layerCount);

    public override long CopyBlocks(
        KvStore source, ReadOnlySpan<int> sourceBlocks, ReadOnlySpan<int> targetBlocks, in KvHeadRun heads,
        int firstLayer, int layerCount)
    {
        CudaKvStore from = (CudaKvStore)source;
        Check.That(Layout.HasHeadsOf(from.Layout) && sourceBlocks.Length == targetBlocks.Length);
        Check.That(firstLayer >= 0 && layerCount > 0 && firstLayer + layerCount <= Layout.LayerCount);
        Check.That(heads.SourceHead + heads.HeadCount <= from.Layout.HeadCount);
        Check.That(heads.TargetHead + heads.HeadCount <= Layout.HeadCount);
        for (int i = 0; i < sourceBlocks.Length; i++)
        {
            Check.That((uint)sourceBlocks[i] < (uint)from.BlockCount);
            Check.That((uint)targetBlocks[i] < (uint)BlockCount);
            Check.That(from.Pool != pool || sourceBlocks[i] != targetBlocks[i]);
        }
        if (sourceBlocks.Length == 0)
            return 0;
        pool.Require();
        CudaCopies copies = from.Pool == pool ? backend.Copies : backend.Pulls;
        return copies.Copy(
            from, this, sourceBlocks, targetBlocks, heads, firstLayer, layerCount);
    }

    public override KvStore For(IBackend other) =>
        new CudaKvStore(Layout, BlockCount, pool, (CudaBackend)other, isOwner: false);

    public override void Connect(KvStore source)
    {
        CudaGpu from = ((CudaKvStore)source).Pool.Gpu;
        if (from != pool.Gpu && pool.Gpu.CanReach(from))
            ((CudaKvStore)source).Pool.GrantTo(pool.Gpu);
    }

    public override void Vacate() => pool.Vacate();

    public override void Dispose()
    {
        if (isOwner)
            pool.Dispose();
    }
}
