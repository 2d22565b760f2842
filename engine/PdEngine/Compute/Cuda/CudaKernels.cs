using PdEngine.Interop;

namespace PdEngine;

/// <summary>Every kernel that the backend launches, found in the module that a GPU has loaded.</summary>
internal sealed class CudaKernels
{
    /// <summary>Threads of the kernels that take a row a block.</summary>
    public const int RowThreads = 128;

    public const int CopyThreads = 256;

    public const int SampleThreads = 512;

    public const int RmsNormSharedBytes = 64;

    public const int SampleSharedBytes = (2048 * 12) + 512;

    private static readonly int[] HeadDims = [16, 32, 64, 128];

    private readonly Dictionary<(int HeadDim, int TileRows), CudaFunction> _attention = [];

    /// <param name="module">Loaded.</param>
    /// <param name="sharedBytesPerBlock">Most shared memory that a thread block may take.</param>
    /// <exception cref="CudaException">One is missing, or takes other arguments.</exception>
    public CudaKernels(CudaModule module, int sharedBytesPerBlock)
    {
        Embed = module.Function("pd_embed", Size<CudaEmbedArgs>(), 0);
        RmsNorm = module.Function("pd_rms_norm", Size<CudaRmsNormArgs>(), RmsNormSharedBytes);
        GatherRows = module.Function("pd_gather_rows", Size<CudaGatherRowsArgs>(), 0);
        AddPartials = module.Function("pd_add_partials", Size<CudaAddPartialsArgs>(), 0);
        RotateAppend = module.Function("pd_rotate_append", Size<CudaRotateAppendArgs>(), 0);
        Merge = module.Function("pd_attention_merge", Size<CudaMergeArgs>(), 0);
        Sample = module.Function("pd_sample", Size<CudaSampleArgs>(), SampleSharedBytes);
        CopyBlocks = module.Function("pd_copy_blocks", Size<CudaCopyBlocksArgs>(), 0);
        Gemms = [.. CudaGemmTile.All.Select(tile => module.Function(
            tile.Name, Size<CudaGemmArgs>(), Math.Min(tile.SharedBytes(segments: 4), sharedBytesPerBlock)))];
        foreach (int headDim in HeadDims)
        {
            foreach (int tileRows in CudaAttentionPlan.TileHeights)
            {
                _attention.Add((headDim, tileRows), module.Function(
                    NameOf(headDim, tileRows), Size<CudaAttentionArgs>(),
                    AttentionSharedBytes(tileRows, headDim)));
            }
        }
    }

    public CudaFunction Embed { get; }

    public CudaFunction RmsNorm { get; }

    public CudaFunction GatherRows { get; }

    public CudaFunction AddPartials { get; }

    public CudaFunction RotateAppend { get; }

    public CudaFunction Merge { get; }

    public CudaFunction Sample { get; }

    public CudaFunction CopyBlocks { get; }

    /// <summary>In the order of <see cref="CudaGemmTile.All"/>.</summary>
    public IReadOnlyList<CudaFunction> Gemms { get; }

    public static int AttentionSharedBytes(int tileRows, int headDim) =>
        (8 * CudaAttentionPlan.KeyTile * headDim) + (4 * tileRows * headDim);

    /// <summary>Whether there are attention kernels for heads of so many elements.</summary>
    public static bool HasHeadDim(int headDim) => HeadDims.Contains(headDim);

    public CudaFunction Attention(int headDim, int tileRows) => _attention[(headDim, tileRows)];

    private static string NameOf(int headDim, int tileRows) => $"pd_attention_d{headDim}_m{tileRows}";

    private static unsafe int Size<T>()
        where T : unmanaged =>
        sizeof(T);
}
