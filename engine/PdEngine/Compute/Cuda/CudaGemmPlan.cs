using PdEngine.Interop;

namespace PdEngine;

/// <summary>
/// How a product is launched: the tile, and whether its segments are blocks of their own. It changes no bit.
/// </summary>
/// <param name="Index">Of the tile in <see cref="CudaGemmTile.All"/>.</param>
/// <param name="IsSpread">A segment is a block's; the last block of a tile to end adds them.</param>
/// <param name="Grid">Of blocks.</param>
/// <param name="SharedBytes">Of a block.</param>
/// <param name="SpreadBytes">What segments that are blocks' wait in.</param>
internal readonly record struct CudaGemmPlan(
    int Index, bool IsSpread, CudaExtent Grid, int SharedBytes, long SpreadBytes)
{
    /// <summary>Most that segments may take which are blocks' own: what stays in the L2 of a GPU.</summary>
    public const long MostSpreadBytes = 24 << 20;

    /// <summary>Most tiles of such a product.</summary>
    public const int MostSpreadTiles = 1 << 13;

    // Of a Hopper GPU per cycle: what its memory and its L2 give, what a multiprocessor takes.
    private const double MemoryBytes = 2450, CacheBytes = 4000, ProcessorBytes = 44;

    // From asking memory for bytes to having them, and from the last block's end to the sum of segments.
    private const double LatencyCycles = 1400, SpreadCycles = 1500;

    private const int ReservedBytes = 1024;

    public CudaGemmTile Tile => CudaGemmTile.All[Index];

    public string Name => Tile.Name + (IsSpread ? "_spread" : "");

    /// <summary>The one that should end first.</summary>
    /// <param name="shape">Of the product.</param>
    /// <param name="sharedBytesPerBlock">Most shared memory of a thread block.</param>
    /// <param name="processors">Of the GPU.</param>
    public static CudaGemmPlan For(CudaGemmShape shape, int sharedBytesPerBlock, int processors)
    {
        CudaGemmPlan best = default;
        double least = double.PositiveInfinity;
        for (int index = 0; index < CudaGemmTile.All.Count; index++)
        {
            for (int spread = 0; spread < (shape.Segments > 1 ? 2 : 1); spread++)
            {
                CudaGemmPlan plan = Of(shape, index, spread == 1);
                if (!plan.Fits(shape, sharedBytesPerBlock))
                    continue;
                double cycles = plan.Cycles(shape, sharedBytesPerBlock, processors);
                if (cycles < least)
                    (best, least) = (plan, cycles);
            }
        }
        Check.That(least < double.PositiveInfinity);
        return best;
    }

    /// <summary>A product by this tile.</summary>
    public static CudaGemmPlan Of(CudaGemmShape shape, int index, bool isSpread)
    {
        CudaGemmTile tile = CudaGemmTile.All[index];
        int across = (shape.Outputs + tile.Outputs - 1) / tile.Outputs;
        int down = (shape.Rows + tile.Rows - 1) / tile.Rows;
        int apart = isSpread ? shape.Segments : 1;
        long bytes = isSpread ? (long)across * down * apart * tile.Rows * tile.Outputs * sizeof(float) : 0;
        return new(
            index, isSpread, new(across, down, apart), tile.SharedBytes(shape.Segments, isSpread), bytes);
    }

    /// <summary>Whether a GPU can launch it.</summary>
    public bool Fits(CudaGemmShape shape, int sharedBytesPerBlock) =>
        SharedBytes <= sharedBytesPerBlock && (shape.Segments == 1 || Tile.HasSegments)
        && SpreadBytes <= MostSpreadBytes && (!IsSpread || (long)Grid.X * Grid.Y <= MostSpreadTiles);

    /// <summary>What it should take.</summary>
    /// <param name="shape">Of the product.</param>
    /// <param name="sharedBytes">Of a multiprocessor.</param>
    /// <param name="processors">Of the GPU.</param>
    public double Cycles(CudaGemmShape shape, int sharedBytes, int processors)
    {
        CudaGemmTile tile = Tile;
        double blocks = (double)Grid.X * Grid.Y * Grid.Z;
        double columns = (double)shape.Columns / Grid.Z;
        double perProcessor = Math.Ceiling(blocks / processors);
        double atOnce = Math.Min(perProcessor, (sharedBytes + ReservedBytes) / (SharedBytes + ReservedBytes));
        // Rows that are not there are not read.
        double read = ((double)shape.Rows / Grid.Y) + tile.Outputs;
        double blockBytes = read * columns * 2;
        double ahead = atOnce * (tile.Stages - 1) * tile.StageBytes * read / (tile.Rows + tile.Outputs);
        double rate = Math.Min(ProcessorBytes, ahead / LatencyCycles);
        double busy = Math.Max(perProcessor * tile.BusyCycles, perProcessor / atOnce * tile.LoneCycles);
        double cycles = Math.Max(busy * columns / 16, perProcessor * blockBytes / rate);
        cycles = Math.Max(cycles, blocks * blockBytes / CacheBytes);
        cycles = Math.Max(cycles, (double)shape.Outputs * shape.Columns * 2 / MemoryBytes);
        return IsSpread ? cycles + SpreadCycles + (2 * SpreadBytes / CacheBytes) : cycles;
    }
}
