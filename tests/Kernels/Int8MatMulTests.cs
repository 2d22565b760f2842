namespace PdEngine.Tests;

/// <summary>
/// Int8 products of the CPU backend are those of the reference, bit for bit: their sums are whole numbers.
/// </summary>
public sealed class Int8MatMulTests
{
    // Rows x inputs x outputs x segments: ragged in every direction, and past a block of packed activations.
    private static readonly int[][] Shapes =
    [
        [1, 64, 96, 1], [1, 96, 33, 4], [1, 577, 257, 1], [2, 1, 1, 1], [3, 30, 31, 2], [4, 124, 100, 4],
        [5, 12, 64, 4], [6, 100, 70, 1], [7, 576, 40, 4], [9, 48, 288, 2], [12, 65, 97, 1], [13, 256, 32, 4],
        [16, 33, 129, 1], [17, 1024, 64, 1], [25, 2048, 96, 4], [40, 20, 5, 2], [131, 72, 65, 4],
        [300, 200, 100, 1], [1200, 8192, 32, 1],
    ];

    private static readonly int[] BatchSizes =
        [1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 13, 16, 17, 23, 24, 25, 33, 64, 100, 300];

    [Test]
    public void A_product_is_the_references_on_every_instruction_set(
        [EachIsa] CpuIsa isa, [ValueSource(nameof(Shapes))] int[] shape, [Values] bool biased)
    {
        using CpuBackend backend = CpuTestBackend.Create(isa);
        using ReferenceBackend reference = new(2);
        Int8Operands it = new(shape, seed: 21);
        float[]? bias = biased ? it.Bias : null;
        TestTensors.AssertSameBits(
            it.Multiply(backend, it.X, bias), it.Multiply(reference, it.X, bias),
            $"shape {string.Join('x', shape)}, seed 21");
    }

    [Test]
    public void A_product_is_near_that_of_real_numbers([Values(1, 2, 4)] int segmentCount)
    {
        const int Inputs = 512;
        using ReferenceBackend backend = new(1);
        Int8Operands it = new([9, Inputs, 64, segmentCount], seed: 4);
        float[] actual = it.Multiply(backend, it.X, null);
        double error = 0, size = 0;
        for (int row = 0; row < 9; row++)
        {
            for (int column = 0; column < 64; column++)
            {
                double sum = 0;
                for (int k = 0; k < Inputs; k++)
                    sum += (double)it.X[(row * Inputs) + k] * it.Weight[(column * Inputs) + k];
                error += Math.Pow(actual[(row * 64) + column] - sum, 2);
                size += sum * sum;
            }
        }
        // Uniform values: each factor is off by a deviation of 1 / (127 sqrt 12) of its range, 0.4% of its
        // own deviation; both together 0.56%.
        Assert.That(Math.Sqrt(error / size), Is.InRange(0.004, 0.007));
    }

    [Test]
    public void A_row_is_bitwise_the_same_alone_and_in_any_batch_on_any_number_of_threads(
        [EachIsa] CpuIsa isa, [Values(1, 2, 4)] int segmentCount, [Values(1, 2, 3)] int threadCount)
    {
        using CpuBackend one = CpuTestBackend.Create(isa, threadCount: 1);
        using CpuBackend backend = CpuTestBackend.Create(isa, threadCount);
        foreach ((int inputs, int outputs) in new[] { (20, 33), (124, 130), (576, 31), (1028, 288) })
        {
            Int8Operands most = new([300, inputs, outputs, segmentCount], seed: inputs);
            using Matrix ofOne = most.Load(one);
            using Matrix weight = most.Load(backend);
            float[] alone = new float[most.RowCount * outputs];
            for (int row = 0; row < most.RowCount; row++)
            {
                float[] x = most.X[(row * inputs)..((row + 1) * inputs)];
                most.Multiply(one, ofOne, x, most.Bias).CopyTo(alone, row * outputs);
            }
            foreach (int rows in BatchSizes)
            {
                int first = most.RowCount - rows;
                float[] together = most.Multiply(backend, weight, most.X[(first * inputs)..], most.Bias);
                TestTensors.AssertSameBits(
                    together, alone.AsSpan(first * outputs), $"{rows} rows of [{outputs}, {inputs}]");
            }
        }
    }

    [Test]
    public void Runs_of_a_segmented_product_are_products_of_their_own(
        [EachIsa] CpuIsa isa, [Values(2, 4)] int segmentCount)
    {
        const int Rows = 7, Inputs = 148, Outputs = 40;
        using CpuBackend backend = CpuTestBackend.Create(isa);
        Int8Operands whole = new([Rows, Inputs, Outputs, segmentCount], seed: 3);
        int length = Inputs / segmentCount;
        float[][] parts = new float[segmentCount][];
        for (int segment = 0; segment < segmentCount; segment++)
        {
            Int8Operands part = whole.Columns(segment * length, length);
            parts[segment] = part.Multiply(backend, part.X, null);
        }
        float[] sums = new float[Rows * Outputs];
        for (int i = 0; i < sums.Length; i++)
            sums[i] = segmentCount == 2
                ? parts[0][i] + parts[1][i]
                : (parts[0][i] + parts[1][i]) + (parts[2][i] + parts[3][i]);
        TestTensors.AssertSameBits(whole.Multiply(backend, whole.X, null), sums);
    }

    [Test]
    public void Zero_tiny_large_and_broken_rows_touch_nobody_else([EachIsa] CpuIsa isa)
    {
        const int Inputs = 70;
        using CpuBackend backend = CpuTestBackend.Create(isa);
        using ReferenceBackend reference = new(1);
        Int8Operands it = new([6, Inputs, 33, 1], seed: 8);
        float[] x = [.. it.X];
        for (int k = 0; k < Inputs; k++)
        {
            x[k] = 0;
            x[Inputs + k] *= 1e-38f;
            x[(2 * Inputs) + k] *= 1e30f;
        }
        x[(3 * Inputs) + 69] = float.NaN;
        x[(4 * Inputs) + 1] = float.NegativeInfinity;
        float[] actual = it.Multiply(backend, x, null), expected = it.Multiply(reference, x, null);
        Assert.That(actual, Is.EqualTo(expected), "NaN equals NaN here");
        Assert.That(actual[..(2 * 33)], Is.All.Zero);
        Assert.That(actual[(3 * 33)..(5 * 33)], Is.All.NaN);
        Assert.That(actual[(5 * 33)..], Has.None.NaN);
    }

    [Test]
    public void A_looked_up_row_is_the_rounded_one_times_its_scale([EachIsa] CpuIsa isa)
    {
        int[] ids = [0, 31, 32, 69, 5, 5, 64];
        using CpuBackend backend = CpuTestBackend.Create(isa);
        using ReferenceBackend reference = new(1);
        Int8Operands it = new([1, 77, 70, 1], seed: 9);
        float[] expected = it.Embed(reference, ids);
        TestTensors.AssertSameBits(it.Embed(backend, ids), expected);
        for (int i = 0; i < 77; i++)
            Assert.That(expected[i], Is.EqualTo(it.Weight[i]).Within(0.05 / 254));
    }

    [Test]
    public void A_view_multiplies_its_own_rows([EachIsa] CpuIsa isa)
    {
        using CpuBackend backend = CpuTestBackend.Create(isa);
        Int8Operands it = new([5, 130, 100, 2], seed: 10);
        using Matrix weight = it.Load(backend);
        using Matrix view = weight.View(32, 68);
        Assert.That(view.Bytes, Is.LessThan(weight.Bytes));
        float[] whole = it.Multiply(backend, weight, it.X, null);
        float[] part = it.Multiply(backend, view, it.X, null);
        for (int row = 0; row < 5; row++)
            TestTensors.AssertSameBits(
                part.AsSpan(row * 68, 68), whole.AsSpan((row * 100) + 32, 68), $"row {row}");
    }

    [Test]
    public void Int8_takes_about_half_of_bf16([EachIsa] CpuIsa isa)
    {
        using CpuBackend backend = CpuTestBackend.Create(isa);
        float[] values = new float[256 * 1024];
        using Matrix wide = TestTensors.Matrix(backend, 256, 1024, 4, values);
        using Matrix narrow = TestTensors.Matrix(backend, 256, 1024, 4, values, MatrixElement.Int8);
        Assert.That(narrow.Bytes, Is.InRange(wide.Bytes / 2, wide.Bytes * 0.52));
    }

    [Test]
    public void No_rows_are_no_work([EachIsa] CpuIsa isa)
    {
        using CpuBackend backend = CpuTestBackend.Create(isa);
        Assert.That(new Int8Operands([1, 32, 32, 1], seed: 1).Multiply(backend, [], null), Is.Empty);
    }
}
