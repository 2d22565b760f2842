namespace PdEngine.Tests;

/// <summary>
/// Products of bf16 dot products against a scalar model of vdpbf16ps: a chain over pairs of inputs, of each
/// pair the odd element first, then the even one, each added by a fused multiply-add; denormals are zeros
/// going in and coming out.
/// </summary>
public sealed class PairArithmeticTests
{
    [Test]
    public void A_product_is_a_chain_over_pairs_bit_for_bit(
        [Values(1, 2, 4)] int segmentCount, [Values(1, 2, 3, 5, 8, 14, 15, 16, 40, 129)] int rows,
        [Values(4, 12, 28, 124, 576)] int inputs, [Values] bool biased)
    {
        Check(segmentCount, rows, inputs, outputs: 101, smallestExponent: -3, biased);
    }

    [Test]
    public void An_odd_count_of_inputs_ends_in_half_a_pair(
        [Values(1, 7, 30)] int rows, [Values(1, 3, 65, 577)] int inputs)
    {
        Check(segmentCount: 1, rows, inputs, outputs: 33, smallestExponent: -3, biased: true);
    }

    [Test]
    public void Denormal_inputs_and_results_are_zeros([Values(-66, -130, -140)] int smallestExponent)
    {
        Check(segmentCount: 1, rows: 20, inputs: 64, outputs: 33, smallestExponent, biased: false);
    }

    private static void Check(
        int segmentCount, int rows, int inputs, int outputs, int smallestExponent, bool biased)
    {
        using CpuBackend backend = CpuTestBackend.Create(CpuIsa.Avx512Bf16);
        int seed = (rows * 1000) + inputs;
        float[] x = Scaled(seed, rows * inputs, smallestExponent);
        float[] weight = CpuTestBackend.ToBFloat16(Scaled(seed + 1, outputs * inputs, smallestExponent));
        float[] bias = CpuTestBackend.Values(seed + 2, outputs);
        using Matrix packed = TestTensors.Matrix(backend, outputs, inputs, segmentCount, weight);
        using Tensor input = CpuTestBackend.Rows(x, rows, inputs);
        using Tensor addend = CpuTestBackend.Row(bias);
        using Tensor output = CpuTestBackend.Rows(new float[rows * outputs], rows, outputs);
        backend.MatMul(input, packed, biased ? addend : null, output);
        float[] rounded = Array.ConvertAll(x, value => CpuTestBackend.ToBFloat16(Flush(value)));
        float[] expected = new float[rows * outputs];
        for (int row = 0; row < rows; row++)
        {
            for (int column = 0; column < outputs; column++)
            {
                ReadOnlySpan<float> a = rounded.AsSpan(row * inputs, inputs);
                ReadOnlySpan<float> b = weight.AsSpan(column * inputs, inputs);
                float sum = Product(a, b, segmentCount);
                expected[(row * outputs) + column] = biased ? Flush(sum + bias[column]) : sum;
            }
        }
        TestTensors.AssertSameBits(TestTensors.Copy(output), expected, $"seed {seed}");
    }

    private static float Product(ReadOnlySpan<float> x, ReadOnlySpan<float> w, int segmentCount)
    {
        Span<float> sums = stackalloc float[segmentCount];
        int length = x.Length / segmentCount;
        for (int segment = 0; segment < segmentCount; segment++)
        {
            int first = segment * length, end = first + length;
            float sum = 0;
            // Pairs start at even inputs; what lies before or after the segment counts as zero.
            for (int pair = first & ~1; pair < end; pair += 2)
            {
                if (pair + 1 < end)
                    sum = Add(x[pair + 1], w[pair + 1], sum);
                if (pair >= first)
                    sum = Add(x[pair], w[pair], sum);
            }
            sums[segment] = sum;
        }
        return segmentCount switch
        {
            1 => sums[0],
            2 => Flush(sums[0] + sums[1]),
            _ => Flush(Flush(sums[0] + sums[1]) + Flush(sums[2] + sums[3])),
        };
    }

    private static float Add(float x, float w, float sum) =>
        Flush(MathF.FusedMultiplyAdd(Flush(x), Flush(w), sum));

    private static float[] Scaled(int seed, int count, int smallestExponent)
    {
        Random random = new(seed * 7);
        float[] values = CpuTestBackend.Values(seed, count);
        for (int index = 0; index < count; index++)
        {
            int exponent = random.Next(smallestExponent, smallestExponent + 4);
            values[index] = (float)Math.ScaleB(values[index], exponent);
        }
        return values;
    }

    private static float Flush(float value) =>
        MathF.Abs(value) < 1.17549435e-38f ? MathF.CopySign(0, value) : value;
}
