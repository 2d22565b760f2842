using PdEngine.Interop;

namespace PdEngine.Bench;

/// <summary>
/// One of the candidate product kernels of kernels/cuda/candidates/gemm_wgmma.cu, and how it is launched.
/// </summary>
/// <param name="Outputs">Columns of a tile; its rows are 128.</param>
/// <param name="Stages">Steps of operands that are held at once.</param>
internal sealed record WgmmaTile(int Outputs, int Stages)
{
    public const int Rows = 128;

    /// <summary>Of a block: two warpgroups, and a warp that brings operands.</summary>
    public const int Threads = 288;

    private const int StepColumns = 64;
    private const int BarrierBytes = 128;
    private const int HalfBytes = 2;

    public static IReadOnlyList<WgmmaTile> All { get; } = [new(128, 3), new(256, 4)];

    public string Name => $"pd_gemm_wgmma_n{Outputs}";

    /// <summary>Whether it takes segments one after the other, or as blocks that are added.</summary>
    public bool HasSegments => Outputs == 128;

    /// <param name="segments">Of the columns.</param>
    /// <param name="isApart">Whether each is a block's.</param>
    public int SharedBytes(int segments, bool isApart)
    {
        int sums = segments == 1 || isApart ? 0 : segments / 2;
        return (Stages * (Rows + Outputs) * StepColumns * HalfBytes) + BarrierBytes
            + (sums * Rows * Outputs * sizeof(float));
    }

    /// <param name="shape">Of the product.</param>
    /// <param name="isApart">Whether each segment is a block's.</param>
    public CudaExtent Grid(CudaGemmShape shape, bool isApart) => new(
        (shape.Outputs + Outputs - 1) / Outputs, (shape.Rows + Rows - 1) / Rows,
        isApart ? shape.Segments : 1);

    /// <summary>The arguments of pd_gemm_*, with the maps that the copy engine takes.</summary>
    /// <exception cref="CudaException">The driver has no tensor maps, or refuses one.</exception>
    public CudaWgmmaGemmArgs Args(CudaDriver driver, in CudaGemmArgs gemm) => new()
    {
        Input = Map(driver, gemm.Input, gemm.InputStride, gemm.Rows, gemm, Rows),
        Weight = Map(driver, gemm.Weight, gemm.WeightStride, gemm.Outputs, gemm, Outputs),
        Gemm = gemm,
    };

    // Segments are a dimension, so that what lies behind the end of one is outside, and comes as zeros.
    private static CudaTensorMap Map(
        CudaDriver driver, ulong first, long stride, int rows, in CudaGemmArgs gemm, int tileRows)
    {
        ulong length = (ulong)(gemm.Columns / gemm.Segments);
        // Of one segment none follows; of several, the driver wants rows that are a multiple of segments.
        ulong step = gemm.Segments == 1 ? (ulong)stride : length;
        return CudaTensorMap.OfHalves(
            driver, first, [length, (ulong)gemm.Segments, (ulong)rows],
            [step * HalfBytes, (ulong)stride * HalfBytes], [StepColumns, 1, (uint)tileRows],
            CudaTensorSwizzle.Within128Bytes);
    }
}
