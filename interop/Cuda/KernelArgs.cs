using System.Runtime.InteropServices;

namespace PdEngine.Interop;

/// <summary>The only parameter of <c>pd_embed</c>; see kernels/cuda/args.h, here and below.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct CudaEmbedArgs
{
    public ulong Table, Tokens, Previous, Output;
    public long TableStride, OutputStride;
    public int Columns, Vocabulary;
}

/// <summary><c>pd_rms_norm</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct CudaRmsNormArgs
{
    public ulong Input, Weight, Output;
    public long InputStride, OutputStride;
    public int Columns;
    public float Epsilon;
}

/// <summary><c>pd_gather_rows</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct CudaGatherRowsArgs
{
    public ulong Input, Rows, Output;
    public long InputStride, OutputStride;
    public int Columns, Reserved;
}

/// <summary>What a product does with its sums.</summary>
internal enum CudaGemmEpilogue
{
    Store = 0,
    Add = 1,
    SwiGlu = 2,
    Partials = 3,
}

/// <summary><c>pd_gemm_*</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct CudaGemmArgs
{
    public ulong Input, Weight, Bias, Output;
    public long InputStride, WeightStride, OutputStride, SegmentStride;
    public ulong Scratch, Arrivals;
    public int Rows, Outputs, Columns, Segments;
    public CudaGemmEpilogue Epilogue;
    public int Reserved;
}

/// <summary><c>pd_add_partials</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct CudaAddPartialsArgs
{
    public ulong Partial0, Partial1, Partial2, Partial3, Bias, Output;
    public long PartialStride, OutputStride;
    public int FirstColumn, Columns, Count, Adds;
}

/// <summary>Where a token of a batch stands, and the block of that position.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly struct CudaTokenPlace(int position, int block)
{
    public readonly int Position = position;
    public readonly int Block = block;
}

/// <summary><c>pd_rotate_append</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct CudaRotateAppendArgs
{
    public ulong Qkv, Rope, QueryNorm, KeyNorm, Store, Places;
    public long QkvStride, RopeStride, BlockBytes, PlaneBytes;
    public int Heads, KvHeads, HeadDim, PageSize, FirstKvHead;
    public float Epsilon;
}

/// <summary>Splits of one tile of a slice's rows: the work of a thread block for each KV head.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly struct CudaAttentionUnit(
    int slice, int firstRow, int firstSplit, int splitCount, int partial)
{
    public readonly int Slice = slice;
    public readonly int FirstRow = firstRow;
    public readonly int FirstSplit = firstSplit;
    public readonly int SplitCount = splitCount;

    /// <summary>Index of the first split's partial; -1: the unit writes the output.</summary>
    public readonly int Partial = partial;
}

/// <summary><c>pd_attention_d*_m*</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct CudaAttentionArgs
{
    public ulong Qkv, Store, Slices, Blocks, Units, Partials, Output;
    public long QkvStride, OutputStride, BlockBytes, PlaneBytes;
    public int Heads, KvHeads, PageSize, FirstKvHead, Window;
    public float ScaleLog2;
}

/// <summary>A tile whose splits lie in partials.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly struct CudaMergeTile(int slice, int firstRow, int firstPartial, int splitCount)
{
    public readonly int Slice = slice;
    public readonly int FirstRow = firstRow;
    public readonly int FirstPartial = firstPartial;
    public readonly int SplitCount = splitCount;
}

/// <summary><c>pd_attention_merge</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct CudaMergeArgs
{
    public ulong Partials, Tiles, Slices, Output;
    public long OutputStride;
    public int Heads, KvHeads, HeadDim, TileRows;
}

/// <summary>What was wrong with a row that was to be sampled.</summary>
internal enum CudaSampleFault
{
    None = 0,
    Infinite = 1,
    Nothing = 2,
    ForeignId = 3,
}

/// <summary><c>pd_sample</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct CudaSampleArgs
{
    public ulong Logits, Rows, History, BiasIds, BiasValues, Suppressed, Previous, Results, Tops, Faults;
    public ulong Scratch;
    public long LogitsStride;
    public int Vocabulary, RowCount, FirstLogitsRow, Reserved;
}

/// <summary><c>pd_copy_blocks</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct CudaCopyBlocksArgs
{
    public ulong Source, Target, SourceBlocks, TargetBlocks;
    public long SourceBlockBytes, SourceLayerBytes, SourcePlaneBytes;
    public long TargetBlockBytes, TargetLayerBytes, TargetPlaneBytes;
    public long HeadBytes;
    public int SourceLayer, TargetLayer, SourceHead, TargetHead, Heads, Planes;
}
