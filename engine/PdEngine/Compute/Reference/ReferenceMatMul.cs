using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace PdEngine;

/// <summary>
/// y = x Wᵀ + bias. Whatever the tile that computes it, an output element is one chain: for each segment,
/// lane j sums the products of columns j, j+8, ... in order, the eight lanes are added in a tree, then the
/// columns past the last whole vector; segments are added pairwise; the bias comes last.
/// </summary>
/// <remarks>
/// A panel of weight rows stays in the second-level cache while all input rows pass over it; inside, tiles of
/// four weight rows by three input rows keep twelve sums in registers.
/// </remarks>
internal static unsafe class ReferenceMatMul
{
    /// <summary>Weight rows that one call of <see cref="Panel"/> covers.</summary>
    public const int PanelRows = 16;

    private const int TileRows = 4;
    private const int TileInputs = 3;
    private const int MaxSegments = 4;

    /// <summary>Operands of one product; strides in elements.</summary>
    internal readonly struct Product(Tensor input, ReferenceMatrix weight, Tensor? bias, Tensor output)
    {
        public readonly float* Input = (float*)input.Address;
        public readonly int InputRows = input.Rows;
        public readonly int InputStride = input.Stride;
        public readonly float* Weight = weight.Address;
        public readonly int WeightRows = weight.Rows;
        public readonly int Columns = weight.Columns;
        public readonly int SegmentCount = weight.SegmentCount;
        public readonly float* Bias = bias is null ? null : (float*)bias.Address;
        public readonly float* Output = (float*)output.Address;
        public readonly int OutputStride = output.Stride;

        public int PanelCount => (WeightRows + PanelRows - 1) / PanelRows;
    }

    /// <summary>Computes the outputs of weight rows [panel * PanelRows, ...) for every input row.</summary>
    public static void Panel(in Product product, int panel)
    {
        int first = panel * PanelRows;
        int end = Math.Min(first + PanelRows, product.WeightRows);
        int wholeEnd = end - ((end - first) % TileRows);
        int input = 0;
        for (; input + TileInputs <= product.InputRows; input += TileInputs)
        {
            for (int row = first; row < wholeEnd; row += TileRows)
                Tile(product, row, TileRows, input, TileInputs);
            for (int row = wholeEnd; row < end; row++)
                Column(product, row, input, TileInputs);
        }
        for (; input < product.InputRows; input++)
        {
            for (int row = first; row < wholeEnd; row += TileRows)
                Tile(product, row, TileRows, input, 1);
            for (int row = wholeEnd; row < end; row++)
                Column(product, row, input, 1);
        }
    }

    private static void Column(in Product product, int row, int firstInput, int inputs)
    {
        for (int input = firstInput; input < firstInput + inputs; input++)
            Tile(product, row, 1, input, 1);
    }

    private static void Tile(in Product product, int row, int rows, int input, int inputs)
    {
        float* sums = stackalloc float[MaxSegments * TileRows * TileInputs];
        int length = product.Columns / product.SegmentCount;
        int cells = rows * inputs;
        for (int segment = 0; segment < product.SegmentCount; segment++)
        {
            float* x = product.Input + ((long)input * product.InputStride) + (segment * length);
            float* w = product.Weight + ((long)row * product.Columns) + (segment * length);
            float* to = sums + (segment * cells);
            if (inputs == TileInputs)
                Dots12(x, product.InputStride, w, product.Columns, length, to);
            else if (rows == TileRows)
                Dots4(x, w, product.Columns, length, to);
            else
                to[0] = Dot(x, w, length);
        }
        for (int cell = 0; cell < cells; cell++)
        {
            int outputRow = row + (cell / inputs);
            float sum = Combine(sums + cell, cells, product.SegmentCount);
            if (product.Bias != null)
                sum += product.Bias[outputRow];
            product.Output[((long)(input + (cell % inputs)) * product.OutputStride) + outputRow] = sum;
        }
    }

    private static float Combine(float* sums, int stride, int segmentCount) => segmentCount switch
    {
        1 => sums[0],
        2 => sums[0] + sums[stride],
        _ => (sums[0] + sums[stride]) + (sums[2 * stride] + sums[3 * stride]),
    };

    /// <summary>One sum, in the order that every tile keeps.</summary>
    public static float Dot(float* x, float* w, int length)
    {
        Vector256<float> sum = Vector256<float>.Zero;
        int whole = length & ~7;
        for (int k = 0; k < whole; k += 8)
            sum = Vector256.FusedMultiplyAdd(Vector256.Load(x + k), Vector256.Load(w + k), sum);
        return Finish(sum, x, w, whole, length);
    }

    /// <summary>Four weight rows by one input row.</summary>
    private static void Dots4(float* x, float* w, int wStride, int length, float* sums)
    {
        float* w1 = w + wStride;
        float* w2 = w1 + wStride;
        float* w3 = w2 + wStride;
        Vector256<float> s0 = default, s1 = default, s2 = default, s3 = default;
        int whole = length & ~7;
        for (int k = 0; k < whole; k += 8)
        {
            Vector256<float> a = Vector256.Load(x + k);
            s0 = Vector256.FusedMultiplyAdd(a, Vector256.Load(w + k), s0);
            s1 = Vector256.FusedMultiplyAdd(a, Vector256.Load(w1 + k), s1);
            s2 = Vector256.FusedMultiplyAdd(a, Vector256.Load(w2 + k), s2);
            s3 = Vector256.FusedMultiplyAdd(a, Vector256.Load(w3 + k), s3);
        }
        sums[0] = Finish(s0, x, w, whole, length);
        sums[1] = Finish(s1, x, w1, whole, length);
        sums[2] = Finish(s2, x, w2, whole, length);
        sums[3] = Finish(s3, x, w3, whole, length);
    }

    /// <summary>Four weight rows by three input rows; sums [4, 3].</summary>
    private static void Dots12(float* x, int xStride, float* w, int wStride, int length, float* sums)
    {
        float* x1 = x + xStride;
        float* x2 = x1 + xStride;
        Vector256<float> s00 = default, s01 = default, s02 = default;
        Vector256<float> s10 = default, s11 = default, s12 = default;
        Vector256<float> s20 = default, s21 = default, s22 = default;
        Vector256<float> s30 = default, s31 = default, s32 = default;
        float* w1 = w + wStride;
        float* w2 = w1 + wStride;
        float* w3 = w2 + wStride;
        int whole = length & ~7;
        for (int k = 0; k < whole; k += 8)
        {
            Vector256<float> a0 = Vector256.Load(x + k);
            Vector256<float> a1 = Vector256.Load(x1 + k);
            Vector256<float> a2 = Vector256.Load(x2 + k);
            Vector256<float> b = Vector256.Load(w + k);
            s00 = Vector256.FusedMultiplyAdd(a0, b, s00);
            s01 = Vector256.FusedMultiplyAdd(a1, b, s01);
            s02 = Vector256.FusedMultiplyAdd(a2, b, s02);
            b = Vector256.Load(w1 + k);
            s10 = Vector256.FusedMultiplyAdd(a0, b, s10);
            s11 = Vector256.FusedMultiplyAdd(a1, b, s11);
            s12 = Vector256.FusedMultiplyAdd(a2, b, s12);
            b = Vector256.Load(w2 + k);
            s20 = Vector256.FusedMultiplyAdd(a0, b, s20);
            s21 = Vector256.FusedMultiplyAdd(a1, b, s21);
            s22 = Vector256.FusedMultiplyAdd(a2, b, s22);
            b = Vector256.Load(w3 + k);
            s30 = Vector256.FusedMultiplyAdd(a0, b, s30);
            s31 = Vector256.FusedMultiplyAdd(a1, b, s31);
            s32 = Vector256.FusedMultiplyAdd(a2, b, s32);
        }
        Finish3(s00, s01, s02, x, xStride, w, whole, length, sums);
        Finish3(s10, s11, s12, x, xStride, w1, whole, length, sums + 3);
        Finish3(s20, s21, s22, x, xStride, w2, whole, length, sums + 6);
        Finish3(s30, s31, s32, x, xStride, w3, whole, length, sums + 9);
    }

    private static void Finish3(
        Vector256<float> s0, Vector256<float> s1, Vector256<float> s2, float* x, int xStride, float* w,
        int whole, int length, float* sums)
    {
        sums[0] = Finish(s0, x, w, whole, length);
        sums[1] = Finish(s1, x + xStride, w, whole, length);
        sums[2] = Finish(s2, x + xStride + xStride, w, whole, length);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Finish(Vector256<float> lanes, float* x, float* w, int whole, int length)
    {
        Vector128<float> four = lanes.GetLower() + lanes.GetUpper();
        Vector64<float> two = four.GetLower() + four.GetUpper();
        float sum = two.GetElement(0) + two.GetElement(1);
        for (int k = whole; k < length; k++)
            sum = MathF.FusedMultiplyAdd(x[k], w[k], sum);
        return sum;
    }
}
