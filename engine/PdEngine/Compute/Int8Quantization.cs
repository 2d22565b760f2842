namespace PdEngine;

/// <summary>
/// The definition of w8a8_int8, which every backend keeps bit by bit.
/// <para>
/// A run is one row of a weight, or one token's activations, inside one segment of the input features (<see
/// cref="Matrix.SegmentCount"/>; <see cref="SegmentsOf"/> where ranks do not share the inputs). A segment's
/// scales depend on nothing outside it: ranks that hold other segments need not agree on anything, and a few
/// features of great magnitude spoil the others of their own segment alone. Let m be the largest magnitude
/// of a run. Then, in float32,
/// </para>
/// <code>
/// scale = m / 127            q_k = round(x_k * (127 / m)), to nearest, ties to even; -127 to 127
/// m below 2^-100:            scale = 0 and every q_k = 0; a run of zeros is one
/// m infinite or not a number: scale is not a number, every q_k = 0; so the fault shows in the output
/// </code>
/// <para>
/// A product is y = (s0 + s1) + (s2 + s3) + bias with, for each segment,
/// s = (float(sum of q_x q_w) * scale_x) * scale_w; the sum is exact in int32, so no order of addition and no
/// instruction set can change it. A row of an int8 table that is looked up is float(q) * scale.
/// </para>
/// </summary>
internal static class Int8Quantization
{
    /// <summary>Magnitudes below 2^-100 count as zero, so that no scale is a denormal.</summary>
    private const float LeastMagnitude = 7.888609e-31f;

    /// <summary>Segments where inputs are whole on every rank: 4, or what divides them.</summary>
    public static int SegmentsOf(int columns) => columns % 4 == 0 ? 4 : columns % 2 == 0 ? 2 : 1;

    /// <summary>Rounds a run and returns its scale.</summary>
    public static float Round(ReadOnlySpan<float> run, Span<sbyte> rounded)
    {
        float most = 0;
        foreach (float value in run)
        {
            if (!float.IsFinite(value))
            {
                rounded.Clear();
                return float.NaN;
            }
            most = Math.Max(most, Math.Abs(value));
        }
        if (most < LeastMagnitude)
        {
            rounded.Clear();
            return 0;
        }
        float inverse = 127 / most;
        for (int k = 0; k < run.Length; k++)
            rounded[k] = (sbyte)MathF.Round(run[k] * inverse);
        return most / 127;
    }
}
