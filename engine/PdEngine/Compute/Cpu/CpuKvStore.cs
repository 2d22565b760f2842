using PdEngine.Interop;

namespace PdEngine;

/// <summary>KV blocks in host memory; the order inside a head is in kernels/include/pd_cpu.h.</summary>
internal sealed class CpuKvStore(KvLayout layout, int blockCount, CpuMemory memory)
    : KvStore(layout, blockCount)
{
    public nint Address => memory.Address;

    /// <summary>Address of a layer's K plane in block 0.</summary>
    public nint LayerAddress(int layer)
    {
        Check.That((uint)layer < (uint)Layout.LayerCount);
        return memory.Address + (nint)(layer * Layout.LayerBytes);
    }

    public override void Dispose() => memory.Dispose();
}
