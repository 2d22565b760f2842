namespace PdEngine.Bench;

/// <summary>Random values that a bf16 holds exactly, so that both sides of a comparison have the
/// same.</summary>
internal static class CheckValues
{
    public static float[] Halves(Random random, int count, float deviation = 1)
    {
        float[] values = new float[count];
        CheckMemory.Normal(random, values, deviation);
        Round(values);
        return values;
    }

    public static float[] Floats(Random random, int count, float deviation = 1)
    {
        float[] values = new float[count];
        CheckMemory.Normal(random, values, deviation);
        return values;
    }

    public static void Round(Span<float> values)
    {
        Span<byte> half = stackalloc byte[2];
        for (int i = 0; i < values.Length; i++)
        {
            FloatNarrowing.ToBFloat16(values.Slice(i, 1), half);
            values[i] = BitConverter.UInt32BitsToSingle((uint)BitConverter.ToUInt16(half) << 16);
        }
    }
}
