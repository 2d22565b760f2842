namespace PdEngine.Tests;

public sealed class RowOpTests
{
    private static readonly int[] Widths = [1, 7, 31, 32, 33, 100, 576, 1024, 3077];

    [Test]
    public void Rms_norm_is_that_of_double_arithmetic(
        [EachIsa] CpuIsa isa, [ValueSource(nameof(Widths))] int columns, [Values(1, 3, 41)] int rows)
    {
        using CpuBackend backend = CpuTestBackend.Create(isa);
        float[] before = CpuTestBackend.Values(1, rows * columns, 3);
        float[] weights = CpuTestBackend.Values(3, columns, 2);
        float[] y = Normalise(backend, before, weights);
        for (int row = 0; row < rows; row++)
        {
            int start = row * columns;
            double squares = 0;
            for (int i = start; i < start + columns; i++)
                squares += (double)before[i] * before[i];
            double scale = 1 / Math.Sqrt((squares / columns) + 1e-5f);
            for (int i = start; i < start + columns; i++)
            {
                double expected = before[i] * scale * weights[i - start];
                double allowed = 1e-6 * Math.Abs(expected);
                Assert.That(y[i], Is.EqualTo(expected).Within(allowed), $"row {row}, column {i - start}");
            }
        }
    }

    [Test]
    public void Row_ops_are_bitwise_the_same_on_every_vector_width_and_thread_count(
        [EachIsa] CpuIsa isa, [Values(1, 2, 4)] int threadCount, [Values(33, 3077)] int columns)
    {
        const int rows = 37;
        using CpuBackend one = CpuTestBackend.Create(CpuIsa.Avx2, threadCount: 1);
        using CpuBackend backend = CpuTestBackend.Create(isa, threadCount);
        float[] before = CpuTestBackend.Values(1, rows * columns, 3);
        float[] weights = CpuTestBackend.Values(3, columns, 2);
        TestTensors.AssertSameBits(
            Normalise(backend, before, weights), Normalise(one, before, weights));
        float[] both = CpuTestBackend.Values(4, rows * columns * 2, 20);
        TestTensors.AssertSameBits(Gate(backend, both, rows), Gate(one, both, rows));
    }

    [Test]
    public void Swiglu_is_that_of_double_arithmetic(
        [EachIsa] CpuIsa isa, [ValueSource(nameof(Widths))] int columns, [Values(1, 9)] int rows)
    {
        using CpuBackend backend = CpuTestBackend.Create(isa);
        float[] both = CpuTestBackend.Values(5, rows * columns * 2, 60);
        float[] y = Gate(backend, both, rows);
        for (int i = 0; i < y.Length; i++)
        {
            double gate = both[(i / columns * 2 * columns) + (i % columns)];
            double up = both[(i / columns * 2 * columns) + columns + (i % columns)];
            double expected = gate / (1 + Math.Exp(-gate)) * up;
            double allowed = 5e-7 * Math.Abs(expected);
            Assert.That(y[i], Is.EqualTo(expected).Within(allowed), $"gate {gate}, up {up}");
        }
    }

    [Test]
    public void Swiglu_saturates_and_keeps_a_nan([EachIsa] CpuIsa isa)
    {
        using CpuBackend backend = CpuTestBackend.Create(isa);
        float[] gates = [-1e30f, -200, -88.8f, 0, 200, 1e30f, float.NaN, 1];
        float[] y = Gate(backend, [.. gates, 1, 1, 1, 1, 1, 1, 1, float.NaN], rows: 1);
        float[] expected = [0, 0, 0, 0, 200, 1e30f, float.NaN, float.NaN];
        for (int i = 0; i < y.Length; i++)
            Assert.That(y[i], Is.EqualTo(expected[i]).Within(1e-35), $"gate {gates[i]}");
    }

    [Test]
    public void Rows_are_gathered_in_the_order_asked_for([EachIsa] CpuIsa isa)
    {
        using CpuBackend backend = CpuTestBackend.Create(isa);
        float[] values = CpuTestBackend.Values(6, 5 * 19);
        using Tensor input = CpuTestBackend.Rows(values, 5, 19);
        using Tensor output = CpuTestBackend.Rows(new float[3 * 19], 3, 19);
        backend.GatherRows(input, [4, 0, 4], output);
        Assert.That(
            TestTensors.Copy(output),
            Is.EqualTo(values[76..].Concat(values[..19]).Concat(values[76..]).ToArray()).AsCollection);
    }

    private static float[] Normalise(CpuBackend backend, float[] x, float[] weight)
    {
        int rows = x.Length / weight.Length;
        using Tensor input = CpuTestBackend.Rows(x, rows, weight.Length);
        using Tensor scale = CpuTestBackend.Row(weight);
        using Tensor output = CpuTestBackend.Rows(new float[x.Length], rows, weight.Length);
        backend.RmsNorm(input, scale, 1e-5f, output);
        return TestTensors.Copy(output);
    }

    private static float[] Gate(CpuBackend backend, float[] gateUp, int rows)
    {
        int columns = gateUp.Length / rows / 2;
        using Tensor both = CpuTestBackend.Rows(gateUp, rows, columns * 2);
        using Tensor output = CpuTestBackend.Rows(new float[rows * columns], rows, columns);
        backend.SwiGlu(both, output);
        return TestTensors.Copy(output);
    }
}
