using PdEngine.Interop;

namespace PdEngine;

/// <summary>
/// A float32 matrix in native memory, row-major; rows may lie further apart than they are long.
/// </summary>
/// <param name="address">First element.</param>
/// <param name="rows">Rows.</param>
/// <param name="columns">Columns.</param>
/// <param name="stride">Elements from one row to the next.</param>
internal readonly unsafe struct FloatMatrix(float* address, int rows, int columns, int stride)
{
    public readonly float* Address = address;
    public readonly int Rows = rows;
    public readonly int Columns = columns;
    public readonly int Stride = stride;

    /// <summary>A tensor's rows; good until it is disposed or its row count changes.</summary>
    public static implicit operator FloatMatrix(Tensor tensor) =>
        new((float*)tensor.Address, tensor.Rows, tensor.Columns, tensor.Stride);
}

/// <summary>
/// The float32 products of a linear layer y = x Wᵀ and of its gradients, on a CPU device's team; the order
/// of every sum is a constant of the shape. Not thread-safe.
/// </summary>
/// <param name="backend">Whose team computes; not owned.</param>
internal sealed unsafe class FloatProducts(CpuBackend backend) : IDisposable
{
    private const int OutputForm = 1;
    private const int InputGradientForm = 2;
    private const int WeightGradientForm = 3;

    private readonly CpuScratch _scratch = new();

    /// <summary>y = x wᵀ.</summary>
    /// <param name="x">[rows, inputs].</param>
    /// <param name="w">[outputs, inputs].</param>
    /// <param name="y">[rows, outputs].</param>
    public void Output(FloatMatrix x, FloatMatrix w, FloatMatrix y)
    {
        Check.That(x.Columns == w.Columns && y.Columns == w.Rows && y.Rows == x.Rows);
        Run(OutputForm, x, w, y, x.Columns, adds: false);
    }

    /// <summary>dx = dy w.</summary>
    /// <param name="dy">[rows, outputs].</param>
    /// <param name="w">[outputs, inputs].</param>
    /// <param name="dx">[rows, inputs].</param>
    public void InputGradient(FloatMatrix dy, FloatMatrix w, FloatMatrix dx)
    {
        Check.That(dy.Columns == w.Rows && dx.Columns == w.Columns && dx.Rows == dy.Rows);
        Run(InputGradientForm, dy, w, dx, w.Rows, adds: false);
    }

    /// <summary>dw += dyᵀ x.</summary>
    /// <param name="dy">[rows, outputs].</param>
    /// <param name="x">[rows, inputs].</param>
    /// <param name="dw">[outputs, inputs].</param>
    public void AddWeightGradient(FloatMatrix dy, FloatMatrix x, FloatMatrix dw)
    {
        Check.That(dy.Rows == x.Rows && dw.Rows == dy.Columns && dw.Columns == x.Columns);
        Run(WeightGradientForm, dy, x, dw, dy.Rows, adds: true);
    }

    public void Dispose() => _scratch.Dispose();

    private void Run(int form, FloatMatrix a, FloatMatrix b, FloatMatrix c, int inner, bool adds)
    {
        if (c.Rows == 0 || inner == 0)
            return;
        SgemmArgs args = new()
        {
            Team = backend.Team.Address,
            A = a.Address,
            B = b.Address,
            C = c.Address,
            M = c.Rows,
            N = c.Columns,
            K = inner,
            AStride = a.Stride,
            BStride = b.Stride,
            CStride = c.Stride,
            Form = form,
            Adds = adds ? 1 : 0,
            Isa = (int)backend.Isa,
        };
        args.Scratch = _scratch.Require(CpuNative.pd_cpu_sgemm_scratch_bytes(&args));
        NativeCalls.ThrowIfFailed(CpuNative.pd_cpu_sgemm(&args));
    }
}
