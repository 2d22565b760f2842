namespace PdEngine;

/// <summary>
/// The bytes of K and V in one memory domain: BlockCount blocks of one <see cref="KvLayout"/>.
/// </summary>
/// <remarks>
/// Memory is committed as blocks are first written, so an unused pool costs address space only.
/// </remarks>
internal abstract class KvStore(KvLayout layout, int blockCount) : IDisposable
{
    public KvLayout Layout { get; } = layout;

    public int BlockCount { get; } = blockCount;

    /// <summary>Copies some heads of some layers of a block of a store of the same kind.</summary>
    /// <param name="source">May be this store; the two blocks must then differ.</param>
    /// <param name="sourceBlock">A block that has been written.</param>
    /// <param name="targetBlock">Block of this store.</param>
    /// <param name="heads">Of every plane.</param>
    /// <param name="firstLayer">First layer.</param>
    /// <param name="layerCount">How many.</param>
    /// <returns>Bytes written.</returns>
    public abstract long CopyBlock(
        KvStore source, int sourceBlock, int targetBlock, in KvHeadRun heads, int firstLayer, int layerCount);

    /// <summary>
    /// The same for many blocks: source[i] to target[i], in no order among themselves; the source's are
    /// others than the target's.
    /// </summary>
    /// <inheritdoc cref="CopyBlock" path="/returns"/>
    public virtual long CopyBlocks(
        KvStore source, ReadOnlySpan<int> sourceBlocks, ReadOnlySpan<int> targetBlocks, in KvHeadRun heads,
        int firstLayer, int layerCount)
    {
        long bytes = 0;
        for (int index = 0; index < sourceBlocks.Length; index++)
            bytes += CopyBlock(
                source, sourceBlocks[index], targetBlocks[index], heads, firstLayer, layerCount);
        return bytes;
    }

    /// <summary>
    /// The same blocks for a worker that computes on another backend of the same memory. The one that was
    /// made by <see cref="IBackend.CreateKvStore"/> owns them.
    /// </summary>
    public virtual KvStore For(IBackend backend) => this;

    /// <summary>Says that blocks of another store will be copied into this one.</summary>
    public virtual void Connect(KvStore source)
    {
    }

    /// <summary>
    /// Gives all memory back to the system while no block is in use; a block that is written again gets
    /// memory again.
    /// </summary>
    public abstract void Vacate();

    public abstract void Dispose();
}
