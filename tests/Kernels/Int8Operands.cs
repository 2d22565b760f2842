namespace PdEngine.Tests;

/// <summary>Seeded operands of a product whose weight is held as int8; any backend.</summary>
internal sealed class Int8Operands
{
    private readonly int _outputs;
    private readonly int _segmentCount;
    private readonly int _inputs;

    /// <param name="shape">Rows, inputs, outputs, segments.</param>
    /// <param name="seed">Of all values.</param>
    public Int8Operands(int[] shape, int seed)
    {
        (RowCount, _inputs, _outputs, _segmentCount) = (shape[0], shape[1], shape[2], shape[3]);
        X = CpuTestBackend.Values(seed, RowCount * _inputs, 2);
        Weight = CpuTestBackend.Values(seed + 1, _outputs * _inputs, 0.05f);
        Bias = CpuTestBackend.Values(seed + 2, _outputs);
    }

    private Int8Operands(Int8Operands whole, int first, int count)
    {
        (RowCount, _inputs, _outputs, _segmentCount) = (whole.RowCount, count, whole._outputs, 1);
        X = Cut(whole.X, whole._inputs, first, count);
        Weight = Cut(whole.Weight, whole._inputs, first, count);
        Bias = whole.Bias;
    }

    public int RowCount { get; }

    public float[] X { get; }

    public float[] Weight { get; }

    public float[] Bias { get; }

    /// <summary>The same product over some of the inputs.</summary>
    public Int8Operands Columns(int first, int count) => new(this, first, count);

    public Matrix Load(IBackend backend) => TestTensors.Matrix(
        backend, _outputs, _inputs, _segmentCount, Weight, MatrixElement.Int8);

    public float[] Multiply(IBackend backend, float[] x, float[]? bias)
    {
        using Matrix weight = Load(backend);
        return Multiply(backend, weight, x, bias);
    }

    public float[] Multiply(IBackend backend, Matrix weight, float[] x, float[]? bias)
    {
        int rows = x.Length / _inputs;
        using Tensor input = CpuTestBackend.Rows(x, rows, _inputs);
        using Tensor output = CpuTestBackend.Rows(new float[rows * weight.Rows], rows, weight.Rows);
        using Tensor? addend = bias is null ? null : CpuTestBackend.Row(bias);
        backend.MatMul(input, weight, addend, output);
        return TestTensors.Copy(output);
    }

    public float[] Embed(IBackend backend, int[] ids)
    {
        using Matrix weight = Load(backend);
        using Tensor output = CpuTestBackend.Rows(new float[ids.Length * _inputs], ids.Length, _inputs);
        backend.Embed(weight, ids, output);
        return TestTensors.Copy(output);
    }

    private static float[] Cut(float[] values, int stride, int first, int count)
    {
        float[] cut = new float[values.Length / stride * count];
        for (int row = 0; row < values.Length / stride; row++)
            values.AsSpan((row * stride) + first, count).CopyTo(cut.AsSpan(row * count));
        return cut;
    }
}
