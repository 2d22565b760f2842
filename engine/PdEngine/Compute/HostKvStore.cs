namespace PdEngine;

/// <summary>Blocks in host memory, each one run of <see cref="KvLayout.BlockBytes"/>.</summary>
internal abstract unsafe class HostKvStore(KvLayout layout, int blockCount) : KvStore(layout, blockCount)
{
    public override long CopyBlock(
        KvStore source, int sourceBlock, int targetBlock, in KvHeadRun heads, int firstLayer, int layerCount)
    {
        Check.That(source.GetType() == GetType() && Layout.HasHeadsOf(source.Layout));
        Check.That(source != this || sourceBlock != targetBlock);
        Check.That((uint)sourceBlock < (uint)source.BlockCount && (uint)targetBlock < (uint)BlockCount);
        Check.That(firstLayer >= 0 && layerCount > 0 && firstLayer + layerCount <= Layout.LayerCount);
        Check.That(heads.SourceHead >= 0 && heads.TargetHead >= 0 && heads.HeadCount > 0);
        Check.That(heads.SourceHead + heads.HeadCount <= source.Layout.HeadCount);
        Check.That(heads.TargetHead + heads.HeadCount <= Layout.HeadCount);
        Commit(targetBlock);
        byte* from = ((HostKvStore)source).Block(sourceBlock) + (firstLayer * source.Layout.LayerBytes);
        byte* to = Block(targetBlock) + (firstLayer * Layout.LayerBytes);
        if (heads.HeadCount == Layout.HeadCount && heads.HeadCount == source.Layout.HeadCount)
            return Copy(from, to, layerCount * Layout.LayerBytes);
        long bytes = 0;
        for (int layer = 0; layer < layerCount; layer++)
            bytes += CopyLayer(
                source.Layout, from + (layer * source.Layout.LayerBytes), to + (layer * Layout.LayerBytes),
                heads);
        return bytes;
    }

    /// <summary>Makes sure that a block has memory; only then may it be written.</summary>
    protected abstract void Commit(int block);

    /// <summary>Address of a block that has memory.</summary>
    protected abstract byte* Block(int block);

    private long CopyLayer(KvLayout sourceLayout, byte* from, byte* to, in KvHeadRun heads)
    {
        long bytes = 0;
        for (int plane = 0; plane < Layout.Planes.Count; plane++)
        {
            long headBytes = Layout.HeadBytes(Layout.Planes[plane]);
            bytes += Copy(
                from + (heads.SourceHead * headBytes), to + (heads.TargetHead * headBytes),
                heads.HeadCount * headBytes);
            from += sourceLayout.HeadCount * headBytes;
            to += Layout.HeadCount * headBytes;
        }
        return bytes;
    }

    private static long Copy(byte* from, byte* to, long bytes)
    {
        Buffer.MemoryCopy(from, to, bytes, bytes);
        return bytes;
    }
}
