using PdEngine.Interop;

namespace PdEngine.Bench;

/// <summary>Operands of one product on the device, for the engine's kernels and for the candidate.</summary>
internal sealed class CandidateProduct : IDisposable
{
    private readonly CheckRig _rig;
    private readonly CheckMemory _memory;
    private readonly CudaGemmShape _shape;
    private readonly long _weightBytes;
    private readonly int _sets;
    private CudaGemmArgs _args;

    /// <param name="rig">Where.</param>
    /// <param name="shape">Of the product.</param>
    /// <param name="epilogue">What becomes of its sums.</param>
    /// <param name="sets">Weights, to go round.</param>
    public CandidateProduct(CheckRig rig, CudaGemmShape shape, CudaGemmEpilogue epilogue, int sets = 1)
    {
        (_rig, _shape, _sets) = (rig, shape, sets);
        _memory = new(rig);
        _weightBytes = 2L * shape.Columns * shape.Outputs;
        bool isGated = epilogue == CudaGemmEpilogue.SwiGlu;
        _args = new()
        {
            Input = _memory.Halves((long)shape.Rows * shape.Columns),
            Weight = _memory.Halves(sets * _weightBytes / 2),
            Output = _memory.Take(4L * shape.Rows * shape.Outputs),
            InputStride = shape.Columns, WeightStride = shape.Columns,
            OutputStride = isGated ? shape.Outputs / 2 : shape.Outputs, Rows = shape.Rows,
            Outputs = shape.Outputs, Columns = shape.Columns, Segments = shape.Segments, Epilogue = epilogue,
            Scratch = shape.Segments > 1 ? _memory.Take(CudaGemmPlan.MostSpreadBytes) : 0,
        };
        if (shape.Segments == 1)
            return;
        const long counts = CudaGemmPlan.MostSpreadTiles * sizeof(int);
        _args.Arrivals = _memory.Take(counts);
        rig.Gpu.Run(() => rig.Stream.Fill(_args.Arrivals, 0, counts));
    }

    public ulong Input => _args.Input;

    public ulong Output => _args.Output;

    /// <summary>The weight of a call.</summary>
    public ulong Weight(int call) => _args.Weight + ((ulong)(call % _sets) * (ulong)_weightBytes);

    /// <summary>The engine's own choice of its kernels.</summary>
    public CudaGemmPlan Plan => CudaGemmPlan.For(
        _shape, _rig.Gpu.Device.SharedBytesPerBlock, _rig.Gpu.Device.ProcessorCount);

    public void LaunchPlan(CudaGemmPlan plan, int call) => _rig.Stream.Launch(
        _rig.Gpu.Kernels.Gemms[plan.Index], plan.Grid, new(plan.Tile.Threads), plan.SharedBytes,
        Args(plan.IsSpread, call));

    public void LaunchCandidate(WgmmaCandidate candidate, WgmmaTile tile, bool isSpread, int call) =>
        candidate.Launch(tile, isSpread, Args(isSpread, call));

    public void Dispose() => _memory.Dispose();

    private CudaGemmArgs Args(bool isSpread, int call)
    {
        CudaGemmArgs args = _args;
        args.Weight = Weight(call);
        if (!isSpread)
            (args.Scratch, args.Arrivals) = (0, 0);
        return args;
    }
}
