using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace PdEngine;

/// <summary>
/// Turns blocks of GGUF tensors into float32. The order of roundings is that of the reference decoder (scale
/// times integer, then the offset), so results are equal to the bit.
/// </summary>
internal static class GgufBlocks
{
    private const int SmallBlock = 32;

    // Adding minus zero changes no float, plus zero would change minus zero.
    private const float NoOffset = -0f;

    /// <summary>The sixteen values of the non-linear 4-bit types.</summary>
    public static ReadOnlySpan<sbyte> NonLinear4 =>
        [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

    /// <param name="type">Their type.</param>
    /// <param name="source">Whole blocks.</param>
    /// <param name="destination">As many elements as the blocks hold.</param>
    public static void Dequantise(GgufType type, ReadOnlySpan<byte> source, Span<float> destination)
    {
        switch (type)
        {
            case GgufType.F32:
                FloatWidening.FromFloat32(source, destination);
                return;
            case GgufType.F16:
                FloatWidening.FromFloat16(source, destination);
                return;
            case GgufType.BF16:
                FloatWidening.FromBFloat16(source, destination);
                return;
            default:
                (int elements, int bytes) = GgufTypes.BlockOf(type);
                for (; !source.IsEmpty; source = source[bytes..], destination = destination[elements..])
                    DequantiseBlock(type, source[..bytes], destination[..elements]);
                return;
        }
    }

    /// <summary>The float16 at the start of a block's part.</summary>
    public static float Half(ReadOnlySpan<byte> source) =>
        (float)BinaryPrimitives.ReadHalfLittleEndian(source);

    private static void DequantiseBlock(GgufType type, ReadOnlySpan<byte> block, Span<float> values)
    {
        switch (type)
        {
            case GgufType.Q4_0:
                Nibbles(Half(block), -8, NoOffset, block[2..], values);
                break;
            case GgufType.Q4_1:
                Nibbles(Half(block), 0, Half(block[2..]), block[4..], values);
                break;
            case GgufType.Q5_0:
                FiveBits(Half(block), -16, NoOffset, block[2..], values);
                break;
            case GgufType.Q5_1:
                FiveBits(Half(block), 0, Half(block[2..]), block[4..], values);
                break;
            case GgufType.Q8_0:
                Bytes(Half(block), block[2..], values);
                break;
            case GgufType.Q2_K:
                GgufSuperBlocks.Q2(block, values);
                break;
            case GgufType.Q3_K:
                GgufSuperBlocks.Q3(block, values);
                break;
            case GgufType.Q4_K:
                GgufSuperBlocks.Q4(block, values);
                break;
            case GgufType.Q5_K:
                GgufSuperBlocks.Q5(block, values);
                break;
            case GgufType.Q6_K:
                GgufSuperBlocks.Q6(block, values);
                break;
            case GgufType.IQ4_NL:
                NonLinearNibbles(Half(block), block[2..], values);
                break;
            case GgufType.IQ4_XS:
                GgufSuperBlocks.NonLinear4(block, values);
                break;
            default:
                throw new InvariantException($"no decoder for {type}");
        }
    }

    /// <summary>Low nibbles are the first half, high nibbles the second.</summary>
    private static void Nibbles(
        float scale, int shift, float offset, ReadOnlySpan<byte> bits, Span<float> values)
    {
        bits = bits[..(SmallBlock / 2)];
        values = values[..SmallBlock];
        for (int index = 0; index < SmallBlock / 2; index++)
        {
            values[index] = scale * ((bits[index] & 15) + shift) + offset;
            values[index + SmallBlock / 2] = scale * ((bits[index] >> 4) + shift) + offset;
        }
    }

    /// <summary>As nibbles, after four bytes that hold the fifth bit of element i in bit i.</summary>
    private static void FiveBits(
        float scale, int shift, float offset, ReadOnlySpan<byte> bits, Span<float> values)
    {
        uint fifth = BinaryPrimitives.ReadUInt32LittleEndian(bits);
        bits = bits.Slice(sizeof(uint), SmallBlock / 2);
        values = values[..SmallBlock];
        for (int index = 0; index < SmallBlock / 2; index++)
        {
            int low = (bits[index] & 15) | (int)((fifth >> index << 4) & 16);
            int high = (bits[index] >> 4) | (int)((fifth >> (index + SmallBlock / 2) << 4) & 16);
            values[index] = scale * (low + shift) + offset;
            values[index + SmallBlock / 2] = scale * (high + shift) + offset;
        }
    }

    private static void Bytes(float scale, ReadOnlySpan<byte> bits, Span<float> values)
    {
        ReadOnlySpan<sbyte> integers = MemoryMarshal.Cast<byte, sbyte>(bits)[..SmallBlock];
        values = values[..SmallBlock];
        for (int index = 0; index < SmallBlock; index++)
            values[index] = integers[index] * scale;
    }

    private static void NonLinearNibbles(float scale, ReadOnlySpan<byte> bits, Span<float> values)
    {
        for (int index = 0; index < SmallBlock / 2; index++)
        {
            values[index] = scale * NonLinear4[bits[index] & 15];
            values[index + SmallBlock / 2] = scale * NonLinear4[bits[index] >> 4];
        }
    }
}
