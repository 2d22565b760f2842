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
    /// Gives all memory back to the system while no block is in use; a block that is written again gets
    /// memory again.
    /// </summary>
    public abstract void Vacate();

    public abstract void Dispose();
}
