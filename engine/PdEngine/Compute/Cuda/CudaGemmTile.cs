namespace PdEngine;

/// <summary>
/// One of the product kernels. They differ in the tile that a thread block makes, and in no bit of it.
/// </summary>
/// <param name="Name">Of the kernel.</param>
/// <param name="Rows">Rows of a tile.</param>
/// <param name="Outputs">Columns of a tile.</param>
/// <param name="Threads">Of a block.</param>
/// <param name="Stages">Steps of operands that are held at once.</param>
internal sealed record CudaGemmTile(string Name, int Rows, int Outputs, int Threads, int Stages)
{
    private const int StepColumns = 64;

    /// <summary>Ascending tile heights.</summary>
    public static IReadOnlyList<CudaGemmTile> All { get; } =
    [
        new("pd_gemm_m16", 16, 32, 32, 8), new("pd_gemm_m64", 64, 64, 128, 4),
        new("pd_gemm_m128", 128, 128, 256, 3),
    ];

    public int SharedBytes(int segments)
    {
        int sums = segments == 1 ? 0 : segments / 2;
        return (Stages * (Rows + Outputs) * StepColumns * 2) + (sums * Rows * Outputs * sizeof(float));
    }

    /// <summary>Index of the tile for a product of so many rows, where a block may take so much.</summary>
    public static int IndexFor(int rows, int segments, int sharedBytesPerBlock)
    {
        if (rows <= All[0].Rows)
            return 0;
        return rows > All[1].Rows && All[2].SharedBytes(segments) <= sharedBytesPerBlock ? 2 : 1;
    }
}
