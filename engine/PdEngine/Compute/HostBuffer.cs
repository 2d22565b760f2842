using System.Runtime.InteropServices;

namespace PdEngine;

/// <summary>Owns zeroed, 64-byte aligned host memory outside the garbage collector's heap.</summary>
internal sealed unsafe class HostBuffer : SafeHandle
{
    private const nint Alignment = 64;

    public HostBuffer()
        : base(0, ownsHandle: true)
    {
    }

    public override bool IsInvalid => handle == 0;

    /// <summary>The first 64-byte boundary inside the allocation.</summary>
    public nint Address => (handle + (Alignment - 1)) & ~(Alignment - 1);

    public long Bytes { get; private init; }

    /// <summary>
    /// The system zeroes large blocks page by page as they are touched: an unused part costs nothing.
    /// </summary>
    public static HostBuffer Allocate(long bytes)
    {
        void* memory;
        try
        {
            memory = NativeMemory.AllocZeroed((nuint)bytes + (nuint)Alignment);
        }
        catch (OutOfMemoryException)
        {
            throw new BackendException($"The host has no {Shown.Bytes(bytes)} of memory left for a buffer.");
        }
        HostBuffer buffer = new() { Bytes = bytes };
        buffer.SetHandle((nint)memory);
        return buffer;
    }

    protected override bool ReleaseHandle()
    {
        NativeMemory.Free((void*)handle);
        return true;
    }
}
