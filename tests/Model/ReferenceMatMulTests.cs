namespace PdEngine.Tests;

public sealed class ReferenceMatMulTests
{
    private static readonly int[] RaggedRows = [1, 3, 4, 15, 16, 17, 37];

    [Test]
    public void A_product_is_near_the_naive_one(
        [Values(1, 2, 3, 4, 5, 7, 64)] int inputs, [Values(4, 20, 52, 64, 100)] int columns,
        [Values(1, 2, 4)] int segments, [Values] bool withBias)
    {
        using ReferenceBackend backend = new(1);
        foreach (int rows in RaggedRows)
        {
            Random random = new((rows * 1000) + columns);
            float[] x = TestTensors.Values(random, inputs * columns);
            float[] w = TestTensors.Values(random, rows * columns);
            using Tensor input = TestTensors.Filled(backend, inputs, columns, x);
            using Matrix weight = TestTensors.Matrix(backend, rows, columns, segments, w);
            using Tensor bias = TestTensors.Random(backend, random, 1, rows);
            using Tensor output = backend.CreateTensor(inputs, rows);
            backend.MatMul(input, weight, withBias ? bias : null, output);
            double[] expected = new double[inputs * rows];
            for (int cell = 0; cell < expected.Length; cell++)
            {
                (int i, int row) = (cell / rows, cell % rows);
                expected[cell] = withBias ? bias.Row(0)[row] : 0;
                for (int k = 0; k < columns; k++)
                    expected[cell] += (double)x[(i * columns) + k] * w[(row * columns) + k];
            }
            TestTensors.AssertNear(
                TestTensors.Copy(output), expected, 1e-5,
                $"{inputs} x {rows} x {columns}, {segments} segments");
        }
    }

    [Test]
    public void Segments_are_products_of_their_own_added_pairwise([Values(2, 4)] int segments)
    {
        const int Rows = 19, Columns = 92, Inputs = 5;
        using ReferenceBackend backend = new(1);
        Random random = new(5);
        float[] x = TestTensors.Values(random, Inputs * Columns);
        float[] w = TestTensors.Values(random, Rows * Columns);
        float[] whole = Product(backend, x, w, Inputs, Rows, Columns, segments);
        int width = Columns / segments;
        float[][] parts = new float[segments][];
        for (int part = 0; part < segments; part++)
            parts[part] = Product(
                backend, Take(x, Inputs, Columns, part * width, width),
                Take(w, Rows, Columns, part * width, width), Inputs, Rows, width, 1);
        float[] expected = new float[whole.Length];
        for (int cell = 0; cell < whole.Length; cell++)
        {
            expected[cell] = parts[0][cell] + parts[1][cell];
            if (segments == 4)
                expected[cell] += parts[2][cell] + parts[3][cell];
        }
        TestTensors.AssertSameBits(whole, expected, $"{segments} segments");
    }

    [Test]
    public void A_row_is_the_same_alone_and_among_others_on_any_number_of_threads()
    {
        const int Rows = 131, Columns = 332, Inputs = 71;
        Assert.That((long)Rows * Columns * Inputs, Is.GreaterThan(ReferenceBackend.ParallelWork));
        using ReferenceBackend one = new(1);
        using ReferenceBackend four = new(4);
        Random random = new(6);
        float[] x = TestTensors.Values(random, Inputs * Columns);
        float[] w = TestTensors.Values(random, Rows * Columns);
        float[] whole = Product(one, x, w, Inputs, Rows, Columns, 4);
        TestTensors.AssertSameBits(Product(four, x, w, Inputs, Rows, Columns, 4), whole, "four threads");
        for (int input = 0; input < Inputs; input++)
        {
            float[] alone = Product(
                four, x.AsSpan(input * Columns, Columns).ToArray(), w, 1, Rows, Columns, 4);
            TestTensors.AssertSameBits(alone, whole.AsSpan(input * Rows, Rows), $"input {input} alone");
        }
    }

    [Test]
    public void A_weight_is_kept_as_it_was_read_however_large_the_parts()
    {
        const int Rows = 5001, Columns = 700;
        using ReferenceBackend backend = new(4);
        using Matrix weight = backend.LoadMatrix(
            Rows, Columns, 1, MatrixElement.Native, (first, count, destination) =>
        {
            for (int index = 0; index < count * Columns; index++)
                destination[index] = ((long)first * Columns) + index;
        });
        using Tensor output = backend.CreateTensor(3, Columns);
        backend.Embed(weight, [0, 2500, 5000], output);
        Assert.That(output.Row(0)[0], Is.Zero);
        Assert.That(output.Row(1)[1], Is.EqualTo((float)((2500 * Columns) + 1)));
        Assert.That(output.Row(2)[699], Is.EqualTo((float)((5000 * Columns) + 699)));
    }

    private static float[] Product(
        ReferenceBackend backend, float[] x, float[] w, int inputs, int rows, int columns, int segments)
    {
        using Tensor input = TestTensors.Filled(backend, inputs, columns, x);
        using Matrix weight = TestTensors.Matrix(backend, rows, columns, segments, w);
        using Tensor output = backend.CreateTensor(inputs, rows);
        backend.MatMul(input, weight, null, output);
        return TestTensors.Copy(output);
    }

    private static float[] Take(float[] values, int rows, int columns, int first, int count) =>
        [.. Enumerable.Range(0, rows).SelectMany(row => values.Skip((row * columns) + first).Take(count))];
}
