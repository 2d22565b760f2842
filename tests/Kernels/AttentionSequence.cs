namespace PdEngine.Tests;

/// <summary>A sequence's queries, keys and values by position; keys and values are exact in bf16.</summary>
internal sealed class AttentionSequence
{
    public AttentionSequence(AttentionSetup setup, int seed, int length, float amplitude = 1)
    {
        Random random = new(seed);
        Length = length;
        Queries = Draw(random, length * setup.QueryColumns, amplitude);
        Keys = Round(Draw(random, length * setup.KvColumns, amplitude));
        Values = Round(Draw(random, length * setup.KvColumns, amplitude));
    }

    public int Length { get; }

    /// <summary>[position, heads * head dim].</summary>
    public float[] Queries { get; }

    /// <summary>[position, KV heads * head dim].</summary>
    public float[] Keys { get; }

    /// <summary>[position, KV heads * head dim].</summary>
    public float[] Values { get; }

    /// <summary>A float's upper half after rounding to nearest even.</summary>
    public static ushort ToBFloat16(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        return (ushort)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
    }

    public static float FromBFloat16(ushort value) => BitConverter.UInt32BitsToSingle((uint)value << 16);

    private static float[] Round(float[] values)
    {
        for (int i = 0; i < values.Length; i++)
            values[i] = FromBFloat16(ToBFloat16(values[i]));
        return values;
    }

    private static float[] Draw(Random random, int count, float amplitude)
    {
        float[] values = new float[count];
        for (int i = 0; i < count; i += 2)
        {
            double radius = Math.Sqrt(-2 * Math.Log(1 - random.NextDouble()));
            double angle = 2 * Math.PI * random.NextDouble();
            values[i] = (float)(amplitude * radius * Math.Cos(angle));
            if (i + 1 < count)
                values[i + 1] = (float)(amplitude * radius * Math.Sin(angle));
        }
        return values;
    }
}
