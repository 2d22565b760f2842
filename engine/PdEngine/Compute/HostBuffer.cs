using System.Runtime.InteropServices;

namespace PdEngine;

/// <summary>Owns zeroed, 64-byte aligned host memory outside the garbage collector's heap.</summary>
internal sealed unsafe class HostBuffer : SafeHandle
{
    public HostBuffer()
        : base(0, ownsHandle: true)
    {
    }

    public override bool IsInvalid => handle == 0;

    public nint Address => handle;

    public long Bytes { get; private init; }

    public static HostBuffer Allocate(long bytes)
    {
        void* memory;
        try
        {
            memory = NativeMemory.AlignedAlloc((nuint)Math.Max(bytes, 64), 64);
        }
        catch (OutOfMemoryException)
        {
            throw new BackendException($"The host has no {bytes / 1e6:F0} MB of memory left for a buffer.");
        }
        NativeMemory.Clear(memory, (nuint)Math.Max(bytes, 64));
        HostBuffer buffer = new() { Bytes = bytes };
        buffer.SetHandle((nint)memory);
        return buffer;
    }

    protected override bool ReleaseHandle()
    {
        NativeMemory.AlignedFree((void*)handle);
        return true;
    }
}
