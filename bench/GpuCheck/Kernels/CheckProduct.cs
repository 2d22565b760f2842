using PdEngine.Interop;

namespace PdEngine.Bench;

/// <summary>Launches of one product in any of its tiles.</summary>
/// <param name="rig">Where.</param>
/// <param name="segments">Of the columns.</param>
internal sealed class CheckProduct(CheckRig rig, int segments)
{
    private ulong _scratch;
    private ulong _arrivals;

    /// <summary>[rows, columns] bf16, on the device.</summary>
    public required ulong Input { get; init; }

    /// <summary>[outputs, columns] bf16.</summary>
    public required ulong Weight { get; init; }

    /// <summary>[rows, outputs] float32, or bf16 of half as many where gated.</summary>
    public required ulong Output { get; init; }

    public required int Columns { get; init; }

    public required int Outputs { get; init; }

    /// <summary>Where segments that are blocks' own may wait; null: they are not.</summary>
    public CheckMemory? Memory { get; init; }

    /// <summary>Ways to launch one: every tile, and again with segments that are blocks' own.</summary>
    public static int Ways => 2 * CudaGemmTile.All.Count;

    public string NameOf(int way) => Plan(way, 1).Name;

    /// <summary>Whether the GPU can launch a product of so many rows that way.</summary>
    public bool Fits(int way, int rows) =>
        (way < CudaGemmTile.All.Count || (segments > 1 && Memory is not null))
        && Plan(way, rows).Fits(Shape(rows), rig.Gpu.Device.SharedBytesPerBlock);

    /// <summary>The way that the engine takes.</summary>
    public int Chosen(int rows)
    {
        CudaGemmPlan plan = CudaGemmPlan.For(
            Shape(rows), rig.Gpu.Device.SharedBytesPerBlock, rig.Gpu.Device.ProcessorCount);
        return plan.Index + (plan.IsSpread ? CudaGemmTile.All.Count : 0);
    }

    public void Launch(int way, int firstRow, int rows, CudaGemmEpilogue epilogue, ulong weight = 0)
    {
        CudaGemmPlan plan = Plan(way, rows);
        CudaGemmArgs args = new()
        {
            Input = Input + ((ulong)firstRow * (ulong)Columns * 2),
            Weight = weight == 0 ? Weight : weight,
            Output = Output,
            InputStride = Columns,
            WeightStride = Columns,
            OutputStride = epilogue == CudaGemmEpilogue.SwiGlu ? Outputs / 2 : Outputs,
            Rows = rows,
            Outputs = Outputs,
            Columns = Columns,
            Segments = segments,
            Epilogue = epilogue,
        };
        if (plan.IsSpread)
        {
            if (_scratch == 0)
            {
                const long counts = CudaGemmPlan.MostSpreadTiles * sizeof(int);
                _arrivals = Memory!.Take(counts);
                rig.Stream.Fill(_arrivals, 0, counts);
                _scratch = Memory.Take(CudaGemmPlan.MostSpreadBytes);
            }
            (args.Scratch, args.Arrivals) = (_scratch, _arrivals);
        }
        rig.Stream.Launch(
            rig.Gpu.Kernels.Gemms[plan.Index], plan.Grid, new(plan.Tile.Threads), plan.SharedBytes, args);
    }

    private CudaGemmShape Shape(int rows) => new(rows, Outputs, Columns, segments);

    private CudaGemmPlan Plan(int way, int rows) =>
        CudaGemmPlan.Of(Shape(rows), way % CudaGemmTile.All.Count, way >= CudaGemmTile.All.Count);
}
