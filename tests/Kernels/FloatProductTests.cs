namespace PdEngine.Tests;

public sealed class FloatProductTests
{
    private const int Seed = 17;

    // Rows x outputs x inputs: ragged in every direction, and past a run of inner indices.
    private static readonly int[][] Shapes =
    [
        [1, 1, 1], [2, 3, 5], [7, 33, 16], [13, 32, 64], [50, 100, 31], [64, 128, 97], [600, 48, 33],
        [1100, 17, 520], [12, 1030, 40], [49, 65, 515],
    ];

    [Test]
    public void The_three_products_are_those_of_double_arithmetic(
        [Values(CpuIsa.Avx2, CpuIsa.Avx512)] CpuIsa isa, [ValueSource(nameof(Shapes))] int[] shape)
    {
        (float[] x, float[] w, float[] dy) = Operands(shape);
        (float[] y, float[] dx, float[] dw) = Multiply(isa, threadCount: 2, shape);
        (int rows, int outputs, int inputs) = (shape[0], shape[1], shape[2]);
        Compare(y, rows, outputs, inputs, (r, o, i) => (double)x[(r * inputs) + i] * w[(o * inputs) + i]);
        Compare(dx, rows, inputs, outputs, (r, i, o) => (double)dy[(r * outputs) + o] * w[(o * inputs) + i]);
        Compare(
            dw, outputs, inputs, rows, (o, i, r) => (double)dy[(r * outputs) + o] * x[(r * inputs) + i],
            start: 1);
    }

    [Test]
    public void Widths_and_threads_change_no_bit([ValueSource(nameof(Shapes))] int[] shape)
    {
        (float[] y, float[] dx, float[] dw) = Multiply(CpuIsa.Avx512, threadCount: 1, shape);
        (CpuIsa, int)[] others = [(CpuIsa.Avx512, 3), (CpuIsa.Avx2, 1), (CpuIsa.Avx2, 2)];
        foreach ((CpuIsa isa, int threads) in others)
        {
            (float[] otherY, float[] otherDx, float[] otherDw) = Multiply(isa, threads, shape);
            TestTensors.AssertSameBits(otherY, y, $"y, {isa}");
            TestTensors.AssertSameBits(otherDx, dx, $"dx, {isa}");
            TestTensors.AssertSameBits(otherDw, dw, $"dw, {isa}");
        }
    }

    private static (float[] X, float[] W, float[] Dy) Operands(int[] shape) =>
        (CpuTestBackend.Values(Seed, shape[0] * shape[2]),
            CpuTestBackend.Values(Seed + 1, shape[1] * shape[2]),
            CpuTestBackend.Values(Seed + 2, shape[0] * shape[1]));

    // The gradient of the weight is added to ones.
    private static (float[] Y, float[] Dx, float[] Dw) Multiply(CpuIsa isa, int threadCount, int[] shape)
    {
        using CpuBackend backend = CpuTestBackend.Create(isa, threadCount);
        using FloatProducts products = new(backend);
        (float[] x, float[] w, float[] dy) = Operands(shape);
        (int rows, int outputs, int inputs) = (shape[0], shape[1], shape[2]);
        using Tensor xs = CpuTestBackend.Rows(x, rows, inputs);
        using Tensor ws = CpuTestBackend.Rows(w, outputs, inputs);
        using Tensor dys = CpuTestBackend.Rows(dy, rows, outputs);
        using Tensor y = new(rows, outputs);
        using Tensor dx = new(rows, inputs);
        using Tensor dw = new(outputs, inputs);
        for (int row = 0; row < outputs; row++)
            dw.Row(row).Fill(1);
        products.Output(xs, ws, y);
        products.InputGradient(dys, ws, dx);
        products.AddWeightGradient(dys, xs, dw);
        return (ValuesOf(y), ValuesOf(dx), ValuesOf(dw));
    }

    private static float[] ValuesOf(Tensor tensor)
    {
        float[] values = new float[tensor.Rows * tensor.Columns];
        for (int row = 0; row < tensor.Rows; row++)
            tensor.Row(row).CopyTo(values.AsSpan(row * tensor.Columns));
        return values;
    }

    private static void Compare(
        float[] actual, int rows, int columns, int inner, Func<int, int, int, double> term, double start = 0)
    {
        int step = rows * columns > 5000 ? 23 : 1;
        for (int at = 0; at < rows * columns; at += step)
        {
            (double sum, double size) = (start, start);
            for (int i = 0; i < inner; i++)
            {
                double product = term(at / columns, at % columns, i);
                sum += product;
                size += Math.Abs(product);
            }
            Assert.That(actual[at], Is.EqualTo(sum).Within(2e-6 * size), $"{at}, seed {Seed}");
        }
    }
}
