using System.Runtime.InteropServices;

namespace PdEngine.Interop;

/// <summary><c>ncclUniqueId</c>: what the ranks of one group have in common; passed by value.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct NcclId
{
    private fixed byte _bytes[128];
}

/// <summary><c>ncclConfig_t</c> as of NCCL 2.17, which newer ones take too: calls do not block.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly unsafe struct NcclConfiguration()
{
    private const int Undefined = int.MinValue;

    public readonly nuint Size = (nuint)sizeof(NcclConfiguration);
    public readonly uint Magic = 0xcafebeef;
    public readonly uint Version = 21700;
    public readonly int Blocking;
    public readonly int ClusterBlocks = Undefined;
    public readonly int LeastBlocks = Undefined;
    public readonly int MostBlocks = Undefined;
    public readonly nint Network;
    public readonly int SplitShare = Undefined;
}

/// <summary>What a call of NCCL returns; only what the engine tells apart has a name.</summary>
internal enum NcclResult
{
    Success = 0,
    UnhandledCudaError = 1,
    SystemError = 2,
    InvalidArgument = 4,
    InvalidUsage = 5,
    InProgress = 7,
}
