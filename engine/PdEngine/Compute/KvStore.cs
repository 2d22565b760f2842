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

    public abstract void Dispose();
}
