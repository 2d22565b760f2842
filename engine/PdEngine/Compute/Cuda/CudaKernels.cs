using PdEngine.Interop;

namespace PdEngine;

/// <summary>Every kernel that the backend launches, found in the images that a GPU has loaded.</summary>
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

    /// <param name="modules">Loaded.</param>
    /// <param name="sharedBytesPerBlock">Most shared memory that a thread block may take.</param>
    /// <exception cref="CudaException">One is missing, or takes other arguments.</exception>
    public CudaKernels(CudaModules modules, int sharedBytesPerBlock)
    {
        Embed = modules.Function("pd_embed", Size<CudaEmbedArgs>(), 0);
        RmsNorm = modules.Function("pd_rms_norm", Size<CudaRmsNormArgs>(), RmsNormSharedBytes);
        GatherRows = modules.Function("pd_gather_rows", Size<CudaGatherRowsArgs>(), 0);
        AddPartials = modules.Function("pd_add_partials", Size<CudaAddPartialsArgs>(), 0);
        RotateAppend = modules.Function("pd_rotate_append", Size<CudaRotateAppendArgs>(), 0);
        Merge = modules.Function("pd_attention_merge", Size<CudaMergeArgs>(), 0);
        Sample = modules.Function("pd_sample", Size<CudaSampleArgs>(), SampleSharedBytes);
        CopyBlocks = modules.Function("pd_copy_blocks", Size<CudaCopyBlocksArgs>(), 0);
        Gemms = [.. CudaGemmTile.All.Select(tile => modules.Function(
            tile.Name, Size<CudaGemmArgs>(), Math.Min(tile.SharedBytes(segments: 4), sharedBytesPerBlock)))];
        foreach (int headDim in HeadDims)
        {
            foreach (int tileRows in CudaAttentionPlan.TileHeights)
            {
                _attention.Add((headDim, tileRows), modules.Function(
                    NameOf(headDim, tileRows), Size<CudaAttentionArgs>(),
                    Math.Min(AttentionSharedBytes(tileRows, headDim), sharedBytesPerBlock)));
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

    /// <summary>As attention_shared_bytes of args.h.</summary>
    public static int AttentionSharedBytes(int tileRows, int headDim)
    {
        bool isTall = tileRows > 64;
        int tiles = isTall ? 1 : 2, queries = isTall ? 2 * tileRows * headDim : 0;
        return (tiles * 4 * CudaAttentionPlan.KeyTile * headDim) + queries + (tileRows * ((4 * headDim) + 8));
    }

    public static int AttentionThreads(int tileRows) => Math.Min(2 * tileRows, 256);

    /// <summary>Whether there are attention kernels for heads of so many elements.</summary>
    public static bool HasHeadDim(int headDim) => HeadDims.Contains(headDim);

    public CudaFunction Attention(int headDim, int tileRows) => _attention[(headDim, tileRows)];

    private static string NameOf(int headDim, int tileRows) => $"pd_attention_d{headDim}_m{tileRows}";

    private static unsafe int Size<T>()
        where T : unmanaged =>
        sizeof(T);
}
