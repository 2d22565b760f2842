using System.Runtime.InteropServices;

namespace PdEngine.Interop;

/// <summary>
/// Owns zeroed, 2 MiB aligned memory: huge pages where there are any, committed on first touch.
/// </summary>
internal sealed unsafe class CpuMemory : SafeHandle
{
    public CpuMemory()
        : base(0, ownsHandle: true)
    {
    }

    public override bool IsInvalid => handle == 0;

    public nint Address => handle;

    public long Bytes { get; private init; }

    internal static CpuMemory Map(long bytes)
    {
        void* mapped = null;
        NativeCalls.ThrowIfFailed(CpuNative.pd_cpu_map(bytes, &mapped));
        CpuMemory memory = new() { Bytes = bytes };
        memory.SetHandle((nint)mapped);
        return memory;
    }

    /// <summary>Gives the pages back; the address stays, and reads as zeros until it is written.</summary>
    internal void Vacate() => NativeCalls.ThrowIfFailed(CpuNative.pd_cpu_vacate((void*)handle, Bytes));

    protected override bool ReleaseHandle()
    {
        CpuNative.pd_cpu_unmap((void*)handle, Bytes);
        return true;
    }
}
