namespace PdEngine;

/// <summary>
/// K and V as float32; inside one head of one block, positions in order, each a row of the plane's width.
/// </summary>
/// <remarks>
/// A block's memory is taken when it is first written and starts as NaN, so that reading a position which was
/// never written cannot pass for a result. Workers and ranks that share a store may take blocks at once.
/// </remarks>
internal sealed unsafe class ReferenceKvStore : HostKvStore
{
    private readonly HostBuffer?[] _blocks;
    private readonly long[] _planeOffsets;

    public ReferenceKvStore(KvLayout layout, int blockCount)
        : base(layout, blockCount)
    {
        _blocks = new HostBuffer?[blockCount];
        _planeOffsets = new long[layout.Planes.Count];
        long offset = 0;
        for (int plane = 0; plane < _planeOffsets.Length; plane++)
        {
            Check.That(layout.Planes[plane].Element == KvElement.Float32);
            _planeOffsets[plane] = offset;
            offset += layout.Planes[plane].Heads * layout.HeadBytes(layout.Planes[plane]);
        }
    }

    /// <summary>Makes sure that a block has memory; only then may it be written.</summary>
    public void Require(int block) => Commit(block);

    /// <summary>
    /// Address of one head of one plane of one layer of a committed block [PageSize, Width].
    /// </summary>
    public float* Head(int block, int layer, int plane, int head)
    {
        long offset = (layer * Layout.LayerBytes) + _planeOffsets[plane]
            + (head * Layout.HeadBytes(Layout.Planes[plane]));
        return (float*)(Block(block) + offset);
    }

    public override void Vacate()
    {
        Dispose();
        Array.Clear(_blocks);
    }

    public override void Dispose()
    {
        foreach (HostBuffer? buffer in _blocks)
            buffer?.Dispose();
    }

    protected override void Commit(int block)
    {
        if (Volatile.Read(ref _blocks[block]) is not null)
            return;
        HostBuffer buffer = HostBuffer.Allocate(Layout.BlockBytes);
        float* first = (float*)buffer.Address;
        for (long index = 0; index < Layout.BlockBytes / sizeof(float); index++)
            first[index] = float.NaN;
        if (Interlocked.CompareExchange(ref _blocks[block], buffer, null) is not null)
            buffer.Dispose();
    }

    protected override byte* Block(int block)
    {
        HostBuffer? buffer = Volatile.Read(ref _blocks[block]);
        Check.That(buffer is not null);
        return (byte*)buffer.Address;
    }
}
