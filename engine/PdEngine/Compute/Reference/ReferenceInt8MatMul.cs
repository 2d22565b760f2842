using System.Runtime.Intrinsics;

namespace PdEngine;

/// <summary>The product of <see cref="Int8Quantization"/>, written to be right and plain.</summary>
internal static class ReferenceInt8MatMul
{
    /// <summary>One input row by every weight row.</summary>
    public static void Row(Tensor input, ReferenceInt8Matrix weight, Tensor? bias, Tensor output, int row)
    {
        sbyte[] rounded = new sbyte[weight.Columns];
        Span<float> scales = stackalloc float[weight.SegmentCount];
        Round(input.Row(row), rounded, scales);
        Span<float> sums = output.Row(row);
        for (int column = 0; column < weight.Rows; column++)
        {
            float sum = Dot(rounded, scales, weight, column);
            sums[column] = bias is null ? sum : sum + bias.Row(0)[column];
        }
    }

    /// <summary>Rounds one row, segment by segment.</summary>
    public static void Round(ReadOnlySpan<float> row, Span<sbyte> rounded, Span<float> scales)
    {
        int length = row.Length / scales.Length;
        for (int segment = 0; segment < scales.Length; segment++)
        {
            scales[segment] = Int8Quantization.Round(
                row.Slice(segment * length, length), rounded.Slice(segment * length, length));
        }
    }

    private static float Dot(
        ReadOnlySpan<sbyte> x, ReadOnlySpan<float> scales, ReferenceInt8Matrix weight, int column)
    {
        ReadOnlySpan<sbyte> w = weight.Row(column);
        ReadOnlySpan<float> own = weight.Scales(column);
        Span<float> sums = stackalloc float[scales.Length];
        int length = w.Length / scales.Length;
        for (int segment = 0; segment < sums.Length; segment++)
        {
            int sum = Sum(x.Slice(segment * length, length), w.Slice(segment * length, length));
            sums[segment] = sum * scales[segment] * own[segment];
        }
        return sums.Length switch
        {
            1 => sums[0],
            2 => sums[0] + sums[1],
            _ => (sums[0] + sums[1]) + (sums[2] + sums[3]),
        };
    }

    // Whole numbers may be added in any order.
    private static int Sum(ReadOnlySpan<sbyte> x, ReadOnlySpan<sbyte> w)
    {
        Vector256<int> lanes = default;
        int k = 0;
        for (; k + 32 <= x.Length; k += 32)
        {
            (Vector256<short> a0, Vector256<short> a1) = Vector256.Widen(Vector256.Create(x[k..]));
            (Vector256<short> b0, Vector256<short> b1) = Vector256.Widen(Vector256.Create(w[k..]));
            (Vector256<int> first, Vector256<int> second) = Vector256.Widen(a0 * b0);
            (Vector256<int> third, Vector256<int> fourth) = Vector256.Widen(a1 * b1);
            lanes += (first + second) + (third + fourth);
        }
        int sum = Vector256.Sum(lanes);
        for (; k < x.Length; k++)
            sum += x[k] * w[k];
        return sum;
    }
}
