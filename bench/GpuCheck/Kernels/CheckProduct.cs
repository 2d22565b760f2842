using PdEngine.Interop;

namespace PdEngine.Bench;

/// <summary>Launches of one product in any of its tiles.</summary>
/// <param name="rig">Where.</param>
/// <param name="segments">Of the columns.</param>
internal sealed class CheckProduct(CheckRig rig, int segments)
{
    /// <summary>[rows, columns] bf16, on the device.</summary>
    public required ulong Input { get; init; }

    /// <summary>[outputs, columns] bf16.</summary>
    public required ulong Weight { get; init; }

    /// <summary>[rows, outputs] float32, or bf16 of half as many where gated.</summary>
    public required ulong Output { get; init; }

    public required int Columns { get; init; }

    public required int Outputs { get; init; }

    /// <summary>Whether the GPU has the shared memory that a tile takes.</summary>
    public bool Fits(int tile) =>
        CudaGemmTile.All[tile].SharedBytes(segments) <= rig.Gpu.Device.SharedBytesPerBlock;

    /// <summary>The tile that the engine takes.</summary>
    public int Chosen(int rows) =>
        CudaGemmTile.IndexFor(rows, segments, rig.Gpu.Device.SharedBytesPerBlock);

    public void Launch(int tile, int firstRow, int rows, CudaGemmEpilogue epilogue, ulong weight = 0)
    {
        CudaGemmTile shape = CudaGemmTile.All[tile];
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
        CudaExtent grid = new(
            (Outputs + shape.Outputs - 1) / shape.Outputs, (rows + shape.Rows - 1) / shape.Rows);
        rig.Stream.Launch(
            rig.Gpu.Kernels.Gemms[tile], grid, new(shape.Threads), shape.SharedBytes(segments), args);
    }
}
