namespace PdEngine.Examples;

/// <summary>The engine's rounding of weights and cache.</summary>
internal static class BFloat16
{
    /// <summary>The nearest bf16, ties to even, as a float; finite values only.</summary>
    public static float Round(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        return BitConverter.UInt32BitsToSingle((bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000);
    }

    public static void Round(ReadOnlySpan<float> from, Span<float> to)
    {
        for (int index = 0; index < from.Length; index++)
            to[index] = Round(from[index]);
    }
}
