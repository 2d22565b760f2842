using System.Runtime.InteropServices;

namespace PdEngine.Interop;

/// <summary><c>CUmemLocation</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly struct CudaLocation(int device)
{
    public readonly int Kind = 1;
    public readonly int Id = device;
}

/// <summary><c>CUmemAllocationProp</c>: pinned memory of one device.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly struct CudaAllocation(int device)
{
    public readonly int Kind = 1;
    public readonly int HandleKinds;
    public readonly CudaLocation Location = new(device);
    public readonly nint WindowsOnly;
    public readonly ulong Flags;
}

/// <summary><c>CUmemAccessDesc</c>: a device may read and write.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly struct CudaAccess(int device)
{
    public readonly CudaLocation Location = new(device);
    public readonly int Flags = 3;
}

/// <summary><c>CUmemcpyAttributes</c>: the source is read in the order of the stream.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly struct CudaCopyAttributes()
{
    public readonly int SourceAccessOrder = 1;
    public readonly CudaLocation SourceHint;
    public readonly CudaLocation TargetHint;
    public readonly uint Flags;
}

/// <summary>The grid or block of a launch.</summary>
internal readonly record struct CudaExtent(int X, int Y = 1, int Z = 1);

/// <summary>
/// <c>CUlaunchAttribute</c>: the kernel may start before the one before it on the stream has ended.
/// </summary>
[StructLayout(LayoutKind.Sequential, Size = 72)]
internal readonly struct CudaEarlyStart()
{
    public readonly int Kind = 6;
    public readonly int Padding;
    public readonly int IsAllowed = 1;
}

/// <summary><c>CUlaunchConfig</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct CudaLaunch
{
    public uint GridX, GridY, GridZ, BlockX, BlockY, BlockZ, SharedBytes;
    public nint Stream;
    public CudaEarlyStart* Attributes;
    public uint AttributeCount;
}
