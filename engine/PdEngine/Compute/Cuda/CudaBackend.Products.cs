using PdEngine.Interop;

namespace PdEngine;

// Products by the kernels of gemm.cu.
internal sealed partial class CudaBackend
{
    private CudaGemmRoom? _room;

    private void MultiplyByKernel(
        int rows, Tensor input, Matrix weight, Tensor? bias, ulong output, long outputStride,
        CudaGemmEpilogue epilogue)
    {
        CudaGemmPlan plan = CudaGemmPlan.For(
            new(rows, weight.Rows, weight.Columns, weight.SegmentCount), _gpu.Device.SharedBytesPerBlock,
            Lane.ProcessorCount);
        CudaGemmArgs args = new()
        {
            Input = Half(input),
            Weight = Own(weight).First,
            Bias = bias is null ? 0 : Float(bias),
            Output = output,
            InputStride = HalfStride(input),
            WeightStride = weight.Columns,
            OutputStride = outputStride,
            Rows = rows,
            Outputs = weight.Rows,
            Columns = weight.Columns,
            Segments = weight.SegmentCount,
            Epilogue = epilogue,
        };
        if (plan.IsSpread)
        {
            _room ??= new(Lane);
            if (!_room.Holds(plan))
                Grow(_room, plan);
            (args.Scratch, args.Arrivals) = (_room.Sums, _room.Arrivals);
        }
        Launch(
            _gpu.Kernels.Gemms[plan.Index], plan.Grid, plan.Tile.Threads, plan.SharedBytes, args);
    }

    private void Grow(CudaGemmRoom room, CudaGemmPlan plan) => _gpu.Make(() =>
    {
        room.Grow(plan);
        return room;
    });
}
