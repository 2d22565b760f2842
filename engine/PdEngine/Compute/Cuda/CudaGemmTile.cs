namespace PdEngine;

/// <summary>
/// One of the product kernels. They differ in the tile that a thread block makes, and in no bit of it.
/// </summary>
/// <param name="Name">Of the kernel.</param>
/// <param name="Rows">Rows of a tile.</param>
/// <param name="Outputs">Columns of a tile.</param>
/// <param name="Threads">Of a block.</param>
/// <param name="Stages">Steps of operands that are held at once.</param>
/// <param name="BusyCycles">
/// Of a multiprocessor for 16 columns of a tile: shared memory moves 128 bytes in one, a scheduler's product
/// takes 6.2 (kernels/cuda/README.md has the sums).
/// </param>
/// <param name="LoneCycles">The same for a block that waits for itself alone.</param>
internal sealed record CudaGemmTile(
    string Name, int Rows, int Outputs, int Threads, int Stages, int BusyCycles, int LoneCycles)
{
    private const int StepColumns = 64;

    /// <summary>Ascending tile heights.</summary>
    public static IReadOnlyList<CudaGemmTile> All { get; } =
    [
        new("pd_gemm_m16", 16, 32, 32, 8, 24, 65), new("pd_gemm_m32", 32, 64, 64, 6, 56, 75),
        new("pd_gemm_m64", 64, 64, 128, 6, 96, 110), new("pd_gemm_m64_n128", 64, 128, 128, 4, 144, 165),
        new("pd_gemm_m128", 128, 128, 256, 3, 256, 280),
        new("pd_gemm_m128_n256", 128, 256, 256, 4, 397, 430),
    ];

    /// <summary>Bytes of operands that a step brings.</summary>
    public int StageBytes => (Rows + Outputs) * StepColumns * 2;

    /// <summary>Whether it takes segments; the widest tile's sums leave no room for others.</summary>
    public bool HasSegments => Rows * Outputs <= 128 * 128;

    /// <param name="segments">Of the columns.</param>
    /// <param name="isSpread">Whether each is a block's.</param>
    public int SharedBytes(int segments, bool isSpread = false)
    {
        int sums = segments == 1 || isSpread ? 0 : segments / 2;
        return (Stages * StageBytes) + (sums * Rows * Outputs * sizeof(float));
    }
}
