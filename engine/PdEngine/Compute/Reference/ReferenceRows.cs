namespace PdEngine;

/// <summary>Operations on one row.</summary>
internal static class ReferenceRows
{
    /// <summary>output = input / rms(input) * weight; output may be the input itself.</summary>
    public static void Normalise(
        ReadOnlySpan<float> input, ReadOnlySpan<float> weight, float epsilon, Span<float> output)
    {
        double squares = 0;
        foreach (float value in input)
            squares += (double)value * value;
        float inverse = (float)(1 / Math.Sqrt((squares / input.Length) + epsilon));
        for (int index = 0; index < input.Length; index++)
            output[index] = input[index] * inverse * weight[index];
    }

    /// <summary>output = silu(gate) * up.</summary>
    public static void SwiGlu(ReadOnlySpan<float> gate, ReadOnlySpan<float> up, Span<float> output)
    {
        for (int index = 0; index < gate.Length; index++)
            output[index] = gate[index] / (1 + MathF.Exp(-gate[index])) * up[index];
    }
}
