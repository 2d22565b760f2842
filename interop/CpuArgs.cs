using System.Runtime.InteropServices;

namespace PdEngine.Interop;

// Mirrors of the argument structs in kernels/include/pd_cpu.h, field for field; AbiTests proves their sizes.

[StructLayout(LayoutKind.Sequential)]
internal readonly record struct CoreRun(int FirstCore, int CoreCount);

[StructLayout(LayoutKind.Sequential)]
internal unsafe struct CrewArgs
{
    public int* Cores;
    public CoreRun* Teams;
    public int CoreCount, TeamCount, Lends, Reserved;
}

[StructLayout(LayoutKind.Sequential)]
internal unsafe struct PackArgs
{
    public float* Rows;
    public void* Packed;
    public long N, K, FirstRow, RowCount;
    public int Isa, Reserved;
}

[StructLayout(LayoutKind.Sequential)]
internal unsafe struct UnpackArgs
{
    public void* Packed;
    public float* Rows;
    public long N, K, FirstRow, RowCount;
    public int Isa, Reserved;
}

[StructLayout(LayoutKind.Sequential)]
internal unsafe struct MatMulArgs
{
    public nint Team;
    public float* X;
    public void* W;
    public float* Bias;
    public float* Y;
    public void* Scratch;
    public long Rows, N, K, XStride, YStride;
    public int Isa, Segments, Epilogue, Reserved;
}

[StructLayout(LayoutKind.Sequential)]
internal unsafe struct EmbedArgs
{
    public nint Team;
    public void* W;
    public int* Ids;
    public float* Y;
    public long Count, N, K, YStride;
    public int Isa, Reserved;
}

[StructLayout(LayoutKind.Sequential)]
internal unsafe struct PackInt8Args
{
    public float* Rows;
    public void* Packed;
    public long N, K, FirstRow, RowCount;
    public int Isa, Segments;
}

[StructLayout(LayoutKind.Sequential)]
internal unsafe struct EmbedInt8Args
{
    public nint Team;
    public void* W;
    public int* Ids;
    public float* Y;
    public long Count, N, K, YStride;
    public int Isa, Segments;
}

[StructLayout(LayoutKind.Sequential)]
internal unsafe struct RmsNormArgs
{
    public nint Team;
    public float* X;
    public float* Weight;
    public float* Y;
    public long Rows, Columns, XStride, YStride;
    public float Epsilon;
    public int Isa;
}

[StructLayout(LayoutKind.Sequential)]
internal unsafe struct SwiGluArgs
{
    public nint Team;
    public float* GateUp;
    public float* Y;
    public long Rows, Columns, GateUpStride, YStride;
    public int Isa, Reserved;
}

[StructLayout(LayoutKind.Sequential)]
internal unsafe struct SumArgs
{
    public nint Team;
    public float* Partial0;
    public float* Partial1;
    public float* Partial2;
    public float* Partial3;
    public float* Bias;
    public float* Y;
    public long Rows, Columns, PartialStride, YStride;
    public int PartialCount, Isa;
}

[StructLayout(LayoutKind.Sequential)]
internal unsafe struct AppendArgs
{
    public nint Team;
    public float* Qkv;
    public float* Rope;
    public float* QNorm;
    public float* KNorm;
    public byte* Store;
    public void* Slices;
    public int* Blocks;
    public long QkvStride, RopeStride, BlockBytes;
    public int SliceCount, TokenCount, Heads, KvHeads, HeadDim, PageSize;
    public float Epsilon;
    public int Isa, FirstKvHead, StoreKvHeads;
}

[StructLayout(LayoutKind.Sequential)]
internal unsafe struct AttendArgs
{
    public nint Team;
    public float* Q;
    public byte* Store;
    public void* Slices;
    public int* Blocks;
    public float* Y;
    public void* Scratch;
    public long QStride, YStride, BlockBytes, ScratchBytes;
    public int SliceCount, TokenCount, Heads, KvHeads, HeadDim, PageSize, Window;
    public float Scale;
    public int Isa, FirstKvHead, StoreKvHeads, Reserved;
}

[StructLayout(LayoutKind.Sequential)]
internal unsafe struct SampleArgs
{
    public nint Team;
    public float* Logits;
    public void* Rows;
    public int* History;
    public int* BiasIds;
    public float* BiasValues;
    public int* Suppressed;
    public void* Results;
    public void* Tops;
    public void* Scratch;
    public long LogitsStride;
    public int Vocabulary, RowCount, FirstLogitsRow, Isa;
}

[StructLayout(LayoutKind.Sequential)]
internal unsafe struct SgemmArgs
{
    public nint Team;
    public float* A;
    public float* B;
    public float* C;
    public void* Scratch;
    public long M, N, K, AStride, BStride, CStride;
    public int Form, Adds, Isa, Reserved;
}
