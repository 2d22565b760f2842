using PdEngine.Interop;

namespace PdEngine;

/// <summary>KV blocks in host memory; the order inside a head is in kernels/include/pd_cpu.h.</summary>
internal sealed unsafe class CpuKvStore(KvLayout layout, int blockCount, CpuMemory memory)
    : HostKvStore(layout, blockCount)
{
    /// <summary>Address of a layer's K plane in block 0.</summary>
    public nint LayerAddress(int layer)
    {
        Check.That((uint)layer < (uint)Layout.LayerCount);
        return memory.Address + (nint)(layer * Layout.LayerBytes);
    }

    public override void Vacate() => memory.Vacate();

    public override void Dispose() => memory.Dispose();

    // The system commits memory as it is touched.
    protected override void Commit(int block)
    {
    }

    protected override byte* Block(int block) => (byte*)memory.Address + (block * Layout.BlockBytes);
}
