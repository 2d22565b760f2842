namespace PdEngine.Tests;

public sealed class MatMulTests
{
    // Rows x inputs x outputs x segments: ragged in every direction, and past a block of packed activations.
    private static readonly int[][] Shapes =
    [
        [1, 64, 96, 1], [1, 96, 33, 4], [1, 577, 257, 1], [2, 1, 1, 1], [3, 30, 31, 2], [4, 124, 100, 4],
        [5, 12, 64, 4], [6, 100, 70, 1], [7, 576, 40, 4], [9, 48, 288, 2], [12, 65, 97, 1], [13, 256, 32, 4],
        [16, 33, 129, 1], [17, 1024, 64, 1], [25, 2048, 96, 4], [40, 20, 5, 2], [131, 72, 65, 4],
        [300, 200, 100, 1], [600, 8192, 32, 1],
    ];

    private static readonly int[] BatchSizes = [.. Enumerable.Range(1, 40), 64, 100, 129, 300];

    [Test]
    public void A_product_is_that_of_double_arithmetic(
        [EachIsa] CpuIsa isa, [ValueSource(nameof(Shapes))] int[] shape, [Values] bool biased)
    {
        using CpuBackend backend = CpuTestBackend.Create(isa);
        Operands it = new(shape, seed: 11);
        float[] actual = it.Multiply(backend, it.X, biased ? it.Bias : null);
        bool rounds = CpuTestBackend.RoundsInputs(CpuIsaSupport.Resolve(isa));
        float[] x = rounds ? CpuTestBackend.ToBFloat16(it.X) : it.X;
        for (int row = 0; row < it.RowCount; row += it.RowCount > 100 ? 37 : 1)
        {
            for (int column = 0; column < it.Outputs; column++)
            {
                (double sum, double size) = biased ? (it.Bias[column], Math.Abs(it.Bias[column])) : (0, 0);
                for (int k = 0; k < it.Inputs; k++)
                {
                    double term = (double)x[(row * it.Inputs) + k] * it.Weight[(column * it.Inputs) + k];
                    sum += term;
                    size += Math.Abs(term);
                }
                Assert.That(
                    actual[(row * it.Outputs) + column], Is.EqualTo(sum).Within(2e-6 * size),
                    $"row {row}, column {column}, shape {string.Join('x', shape)}, seed 11");
            }
        }
    }

    [Test]
    public void A_row_is_bitwise_the_same_alone_and_in_any_batch_on_any_number_of_threads(
        [EachIsa] CpuIsa isa, [Values(1, 2, 4)] int segmentCount, [Values(1, 2, 3, 4)] int threadCount)
    {
        using CpuBackend one = CpuTestBackend.Create(isa, threadCount: 1);
        using CpuBackend backend = CpuTestBackend.Create(isa, threadCount);
        foreach ((int inputs, int outputs) in new[] { (20, 33), (124, 130), (576, 31), (1028, 288) })
        {
            Operands most = new([300, inputs, outputs, segmentCount], seed: inputs);
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
                // The batch's rows are the last ones, so that a row's place in it differs from size to size.
                int first = most.RowCount - rows;
                float[] together = most.Multiply(backend, weight, most.X[(first * inputs)..], most.Bias);
                TestTensors.AssertSameBits(
                    together, alone.AsSpan(first * outputs), $"{rows} rows of [{outputs}, {inputs}]");
            }
        }
    }

    [Test]
    public void Avx2_and_avx512_agree_bitwise([ValueSource(nameof(Shapes))] int[] shape)
    {
        using CpuBackend narrow = CpuTestBackend.Create(CpuIsa.Avx2);
        using CpuBackend wide = CpuTestBackend.Create(CpuIsa.Avx512);
        Operands it = new(shape, seed: 5);
        TestTensors.AssertSameBits(it.Multiply(narrow, it.X, it.Bias), it.Multiply(wide, it.X, it.Bias));
    }

    [Test]
    public void Emulated_tiles_agree_bitwise_with_real_ones([ValueSource(nameof(Shapes))] int[] shape)
    {
        using CpuBackend real = CpuTestBackend.Create(CpuIsa.Amx);
        using CpuBackend emulated = CpuTestBackend.Create(CpuIsa.AmxEmulated);
        Operands it = new(shape, seed: 6);
        TestTensors.AssertSameBits(it.Multiply(emulated, it.X, it.Bias), it.Multiply(real, it.X, it.Bias));
    }

    [Test]
    public void Each_segment_is_a_chain_of_its_own_and_they_are_added_pairwise(
        [Values(CpuIsa.Avx2, CpuIsa.Avx512)] CpuIsa isa, [Values(1, 5, 29)] int rows,
        [Values(1, 2, 4)] int segmentCount)
    {
        using CpuBackend backend = CpuTestBackend.Create(isa);
        Operands it = new([rows, 148, 40, segmentCount], seed: 3);
        float[] actual = it.Multiply(backend, it.X, it.Bias);
        int length = it.Inputs / segmentCount;
        for (int row = 0; row < rows; row++)
        {
            for (int column = 0; column < it.Outputs; column++)
            {
                float[] sums = new float[segmentCount];
                for (int k = 0; k < it.Inputs; k++)
                {
                    ref float sum = ref sums[k / length];
                    sum = MathF.FusedMultiplyAdd(
                        it.X[(row * it.Inputs) + k], it.Weight[(column * it.Inputs) + k], sum);
                }
                float all = segmentCount switch
                {
                    1 => sums[0],
                    2 => sums[0] + sums[1],
                    _ => (sums[0] + sums[1]) + (sums[2] + sums[3]),
                };
                Assert.That(actual[(row * it.Outputs) + column], Is.EqualTo(all + it.Bias[column]));
            }
        }
    }

    [Test]
    public void No_rows_are_no_work([EachIsa] CpuIsa isa)
    {
        using CpuBackend backend = CpuTestBackend.Create(isa);
        Operands it = new([1, 32, 32, 1], seed: 1);
        Assert.That(it.Multiply(backend, [], null), Is.Empty);
    }

    /// <summary>Seeded operands; the weight's values are bf16 ones, so packing loses nothing.</summary>
    private sealed class Operands(int[] shape, int seed)
    {
        public int RowCount { get; } = shape[0];

        public int Inputs { get; } = shape[1];

        public int Outputs { get; } = shape[2];

        public float[] X { get; } = CpuTestBackend.Values(seed, shape[0] * shape[1], 2);

        public float[] Weight { get; } =
            CpuTestBackend.ToBFloat16(CpuTestBackend.Values(seed + 1, shape[2] * shape[1], 0.05f));

        public float[] Bias { get; } = CpuTestBackend.Values(seed + 2, shape[2]);

        public Matrix Load(CpuBackend backend) =>
            TestTensors.Matrix(backend, Outputs, Inputs, shape[3], Weight);

        public float[] Multiply(CpuBackend backend, float[] x, float[]? bias)
        {
            using Matrix weight = Load(backend);
            return Multiply(backend, weight, x, bias);
        }

        public float[] Multiply(CpuBackend backend, Matrix weight, float[] x, float[]? bias)
        {
            int rows = x.Length / Inputs;
            using Tensor input = CpuTestBackend.Rows(x, rows, Inputs);
            using Tensor output = CpuTestBackend.Rows(new float[rows * Outputs], rows, Outputs);
            using Tensor? addend = bias is null ? null : CpuTestBackend.Row(bias);
            backend.MatMul(input, weight, addend, output);
            return TestTensors.Copy(output);
        }
    }
}
