namespace PdEngine.Tests;

/// <summary>
/// AMX products, real and emulated, against a scalar model of TDPBF16PS as Intel's manual has it: per block
/// of 32 inputs two chains, over its even and its odd elements, whose sum is added to the accumulator;
/// denormals are zeros going in and coming out.
/// </summary>
public sealed class TileArithmeticTests
{
    [Test]
    public void A_product_follows_the_manual_bit_for_bit(
        [Values(CpuIsa.Amx, CpuIsa.AmxEmulated)] CpuIsa isa, [Values(1, 2, 4)] int segmentCount,
        [Values(1, 3, 16, 18, 40)] int rows, [Values(4, 28, 32, 124, 576)] int inputs)
    {
        Check(isa, segmentCount, rows, inputs, outputs: 37, smallestExponent: -3);
    }

    [Test]
    public void Denormal_inputs_and_results_are_zeros([Values(CpuIsa.Amx, CpuIsa.AmxEmulated)] CpuIsa isa)
    {
        Check(isa, segmentCount: 1, rows: 20, inputs: 64, outputs: 33, smallestExponent: -66);
        Check(isa, segmentCount: 1, rows: 20, inputs: 64, outputs: 33, smallestExponent: -140);
    }

    private static void Check(
        CpuIsa isa, int segmentCount, int rows, int inputs, int outputs, int smallestExponent)
    {
        using CpuBackend backend = CpuTestBackend.Create(isa);
        int seed = (rows * 1000) + inputs;
        float[] x = Scaled(seed, rows * inputs, smallestExponent);
        float[] weight = CpuTestBackend.ToBFloat16(Scaled(seed + 1, outputs * inputs, smallestExponent));
        using Matrix packed = TestTensors.Matrix(backend, outputs, inputs, segmentCount, weight);
        using Tensor input = CpuTestBackend.Rows(x, rows, inputs);
        using Tensor output = CpuTestBackend.Rows(new float[rows * outputs], rows, outputs);
        backend.MatMul(input, packed, null, output);
        float[] rounded = CpuTestBackend.ToBFloat16(x);
        float[] expected = new float[rows * outputs];
        for (int row = 0; row < rows; row++)
        {
            for (int column = 0; column < outputs; column++)
            {
                ReadOnlySpan<float> a = rounded.AsSpan(row * inputs, inputs);
                ReadOnlySpan<float> b = weight.AsSpan(column * inputs, inputs);
                expected[(row * outputs) + column] = Product(a, b, segmentCount);
            }
        }
        TestTensors.AssertSameBits(TestTensors.Copy(output), expected, $"seed {seed}");
    }

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

    private static float Product(ReadOnlySpan<float> x, ReadOnlySpan<float> w, int segmentCount)
    {
        float[] sums = new float[segmentCount];
        int length = x.Length / segmentCount;
        for (int segment = 0; segment < segmentCount; segment++)
        {
            int first = segment * length, end = first + length;
            // Blocks start at a pair of inputs; what lies before or after the segment counts as zero.
            for (int block = first & ~1; block < end; block += 32)
                sums[segment] = Dot(x, w, block, first, end, sums[segment]);
        }
        return segmentCount switch
        {
            1 => sums[0],
            2 => Flush(sums[0] + sums[1]),
            _ => Flush(Flush(sums[0] + sums[1]) + Flush(sums[2] + sums[3])),
        };
    }

    private static float Dot(
        ReadOnlySpan<float> x, ReadOnlySpan<float> w, int block, int first, int end, float accumulator)
    {
        float even = 0, odd = 0;
        for (int k = block; k < block + 32; k++)
        {
            bool real = k >= first && k < end;
            float a = real ? Flush(x[k]) : 0, b = real ? Flush(w[k]) : 0;
            ref float chain = ref k % 2 == 0 ? ref even : ref odd;
            chain = Flush(MathF.FusedMultiplyAdd(a, b, chain));
        }
        return Flush(accumulator + Flush(even + odd));
    }

    private static float Flush(float value) =>
        MathF.Abs(value) < 1.17549435e-38f ? MathF.CopySign(0, value) : value;
}
