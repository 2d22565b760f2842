using System.Buffers.Binary;

namespace PdEngine;

/// <summary>
/// Decoders of the 256-element blocks: groups of 16 or 32 elements with small integer scales under one
/// float16 scale. Bit planes are laid across a block so that one shift of 32 neighbouring bytes yields 32
/// neighbours.
/// </summary>
internal static class GgufSuperBlocks
{
    private const int Elements = 256;

    /// <summary>16 scale/offset nibbles; 64 bytes of 2-bit values; scale; offset scale.</summary>
    public static void Q2(ReadOnlySpan<byte> block, Span<float> values)
    {
        ReadOnlySpan<byte> scales = block[..16];
        ReadOnlySpan<byte> bits = block.Slice(16, 64);
        float scale = GgufBlocks.Half(block[80..]);
        float offset = GgufBlocks.Half(block[82..]);
        for (int group = 0; group < 16; group++)
        {
            float groupScale = scale * (scales[group] & 15);
            float groupOffset = offset * (scales[group] >> 4);
            int shift = group / 2 % 4 * 2;
            ReadOnlySpan<byte> source = bits.Slice(group / 8 * 32 + group % 2 * 16, 16);
            Span<float> target = values.Slice(group * 16, 16);
            for (int index = 0; index < 16; index++)
                target[index] = groupScale * ((source[index] >> shift) & 3) - groupOffset;
        }
    }

    /// <summary>
    /// 32 bytes of inverted third bits; 64 bytes of 2-bit values; 16 six-bit scales; scale.
    /// </summary>
    public static void Q3(ReadOnlySpan<byte> block, Span<float> values)
    {
        ReadOnlySpan<byte> third = block[..32];
        ReadOnlySpan<byte> bits = block.Slice(32, 64);
        ReadOnlySpan<byte> scales = block.Slice(96, 12);
        float scale = GgufBlocks.Half(block[108..]);
        for (int group = 0; group < 16; group++)
        {
            int low = (scales[group % 8] >> (group / 8 * 4)) & 15;
            int high = (scales[8 + group % 4] >> (group / 4 * 2)) & 3;
            float groupScale = scale * ((low | (high << 4)) - 32);
            int shift = group / 2 % 4 * 2;
            int plane = group / 2;
            ReadOnlySpan<byte> source = bits.Slice(group / 8 * 32 + group % 2 * 16, 16);
            ReadOnlySpan<byte> thirdSource = third.Slice(group % 2 * 16, 16);
            Span<float> target = values.Slice(group * 16, 16);
            for (int index = 0; index < 16; index++)
            {
                int kept = (thirdSource[index] >> plane) & 1;
                target[index] = groupScale * (((source[index] >> shift) & 3) - ((kept ^ 1) << 2));
            }
        }
    }

    /// <summary>Scale; offset scale; 8 packed scale/offset pairs; 128 bytes of nibbles.</summary>
    public static void Q4(ReadOnlySpan<byte> block, Span<float> values)
    {
        ReadOnlySpan<byte> bits = block.Slice(16, 128);
        for (int group = 0; group < 8; group++)
        {
            (float groupScale, float groupOffset) = SixBitPair(block, group);
            int shift = group % 2 * 4;
            ReadOnlySpan<byte> source = bits.Slice(group / 2 * 32, 32);
            Span<float> target = values.Slice(group * 32, 32);
            for (int index = 0; index < 32; index++)
                target[index] = groupScale * ((source[index] >> shift) & 15) - groupOffset;
        }
    }

    /// <summary>As <see cref="Q4"/>, with 32 bytes of fifth bits before the nibbles.</summary>
    public static void Q5(ReadOnlySpan<byte> block, Span<float> values)
    {
        ReadOnlySpan<byte> fifth = block.Slice(16, 32);
        ReadOnlySpan<byte> bits = block.Slice(48, 128);
        for (int group = 0; group < 8; group++)
        {
            (float groupScale, float groupOffset) = SixBitPair(block, group);
            int shift = group % 2 * 4;
            ReadOnlySpan<byte> source = bits.Slice(group / 2 * 32, 32);
            Span<float> target = values.Slice(group * 32, 32);
            for (int index = 0; index < 32; index++)
            {
                int integer = ((source[index] >> shift) & 15) | (((fifth[index] >> group) & 1) << 4);
                target[index] = groupScale * integer - groupOffset;
            }
        }
    }

    /// <summary>128 bytes of low nibbles; 64 bytes of high bit pairs; 16 signed scales; scale.</summary>
    public static void Q6(ReadOnlySpan<byte> block, Span<float> values)
    {
        ReadOnlySpan<byte> low = block[..128];
        ReadOnlySpan<byte> high = block.Slice(128, 64);
        ReadOnlySpan<byte> scales = block.Slice(192, 16);
        float scale = GgufBlocks.Half(block[208..]);
        for (int group = 0; group < 16; group++)
        {
            float groupScale = scale * (sbyte)scales[group];
            int half = group / 8;
            int column = group % 2 * 16;
            ReadOnlySpan<byte> lowSource = low.Slice(half * 64 + group / 2 % 2 * 32 + column, 16);
            ReadOnlySpan<byte> highSource = high.Slice(half * 32 + column, 16);
            int lowShift = group / 4 % 2 * 4;
            int highShift = group / 2 % 4 * 2;
            Span<float> target = values.Slice(group * 16, 16);
            for (int index = 0; index < 16; index++)
            {
                int lowBits = (lowSource[index] >> lowShift) & 15;
                int highBits = (highSource[index] >> highShift) & 3;
                target[index] = groupScale * ((lowBits | (highBits << 4)) - 32);
            }
        }
    }

    /// <summary>
    /// Scale; 8 six-bit scales in two parts; 128 bytes of nibbles that index the non-linear values.
    /// </summary>
    public static void NonLinear4(ReadOnlySpan<byte> block, Span<float> values)
    {
        float scale = GgufBlocks.Half(block);
        int highScales = BinaryPrimitives.ReadUInt16LittleEndian(block[2..]);
        ReadOnlySpan<byte> lowScales = block.Slice(4, 4);
        ReadOnlySpan<byte> bits = block.Slice(8, Elements / 2);
        for (int group = 0; group < 8; group++)
        {
            int low = (lowScales[group / 2] >> (group % 2 * 4)) & 15;
            int high = (highScales >> (group * 2)) & 3;
            float groupScale = scale * ((low | (high << 4)) - 32);
            ReadOnlySpan<byte> source = bits.Slice(group * 16, 16);
            Span<float> target = values.Slice(group * 32, 32);
            for (int index = 0; index < 16; index++)
            {
                target[index] = groupScale * GgufBlocks.NonLinear4[source[index] & 15];
                target[index + 16] = groupScale * GgufBlocks.NonLinear4[source[index] >> 4];
            }
        }
    }

    /// <summary>
    /// Twelve bytes hold eight (scale, offset) pairs of six bits: bytes 0-3 and 4-7 the first four pairs,
    /// whose spare top bits complete the last four, whose low nibbles are in bytes 8-11.
    /// </summary>
    private static (float Scale, float Offset) SixBitPair(ReadOnlySpan<byte> block, int group)
    {
        ReadOnlySpan<byte> packed = block.Slice(4, 12);
        int scale;
        int offset;
        if (group < 4)
        {
            scale = packed[group] & 63;
            offset = packed[group + 4] & 63;
        }
        else
        {
            scale = (packed[group + 4] & 15) | ((packed[group - 4] >> 2) & 48);
            offset = (packed[group + 4] >> 4) | ((packed[group] >> 2) & 48);
        }
        return (GgufBlocks.Half(block) * scale, GgufBlocks.Half(block[2..]) * offset);
    }
}
