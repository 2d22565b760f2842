using System.Buffers.Binary;

namespace PdEngine;

/// <summary>Turns float32 into GGUF elements of the types that <see cref="GgufWriter"/> writes.</summary>
internal static class GgufEncoder
{
    private const int BlockElements = 32;

    public static bool CanEncode(GgufType type) =>
        type is GgufType.F32 or GgufType.F16 or GgufType.BF16 or GgufType.Q8_0 or GgufType.Q4_0;

    /// <param name="type">One that <see cref="CanEncode"/>.</param>
    /// <param name="source">Whole blocks.</param>
    /// <param name="destination">Room for as many blocks.</param>
    public static void Encode(GgufType type, ReadOnlySpan<float> source, Span<byte> destination)
    {
        switch (type)
        {
            case GgufType.F32:
                FloatNarrowing.ToFloat32(source, destination);
                return;
            case GgufType.F16:
                FloatNarrowing.ToFloat16(source, destination);
                return;
            case GgufType.BF16:
                FloatNarrowing.ToBFloat16(source, destination);
                return;
        }
        int blockBytes = GgufTypes.BlockOf(type).Bytes;
        for (; !source.IsEmpty; source = source[BlockElements..], destination = destination[blockBytes..])
        {
            if (type == GgufType.Q8_0)
                EncodeBytes(source[..BlockElements], destination[..blockBytes]);
            else
                EncodeNibbles(source[..BlockElements], destination[..blockBytes]);
        }
    }

    private static void EncodeBytes(ReadOnlySpan<float> source, Span<byte> block)
    {
        float scale = MathF.Abs(Extreme(source)) / 127;
        BinaryPrimitives.WriteHalfLittleEndian(block, (Half)scale);
        for (int index = 0; index < BlockElements; index++)
        {
            float steps = scale == 0 ? 0 : source[index] / scale;
            block[2 + index] = (byte)(sbyte)Math.Clamp(MathF.Round(steps), -127, 127);
        }
    }

    /// <summary>
    /// The element of largest magnitude becomes -8 steps, the one value with no mirror image.
    /// </summary>
    private static void EncodeNibbles(ReadOnlySpan<float> source, Span<byte> block)
    {
        float scale = Extreme(source) / -8;
        BinaryPrimitives.WriteHalfLittleEndian(block, (Half)scale);
        for (int index = 0; index < BlockElements / 2; index++)
        {
            int low = Nibble(source[index], scale);
            int high = Nibble(source[index + BlockElements / 2], scale);
            block[2 + index] = (byte)(low | (high << 4));
        }
    }

    private static int Nibble(float value, float scale) =>
        scale == 0 ? 8 : Math.Clamp((int)(value / scale + 8.5f), 0, 15);

    private static float Extreme(ReadOnlySpan<float> source)
    {
        float extreme = 0;
        foreach (float value in source)
            extreme = MathF.Abs(value) > MathF.Abs(extreme) ? value : extreme;
        return extreme;
    }
}
