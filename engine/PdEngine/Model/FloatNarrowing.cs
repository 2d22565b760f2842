using System.Runtime.InteropServices;

namespace PdEngine;

/// <summary>Conversions of float32 to stored numbers, rounded to nearest, ties to even.</summary>
internal static class FloatNarrowing
{
    public static void ToBFloat16(ReadOnlySpan<float> source, Span<byte> destination)
    {
        ReadOnlySpan<uint> bits = MemoryMarshal.Cast<float, uint>(source);
        Span<ushort> result = MemoryMarshal.Cast<byte, ushort>(destination)[..bits.Length];
        for (int index = 0; index < bits.Length; index++)
        {
            uint value = bits[index];
            // The carry of rounding would turn a NaN into an infinity or a zero.
            result[index] = (value & 0x7FFFFFFF) > 0x7F800000
                ? (ushort)((value >> 16) | 0x40)
                : (ushort)((value + 0x7FFF + ((value >> 16) & 1)) >> 16);
        }
    }

    public static void ToFloat16(ReadOnlySpan<float> source, Span<byte> destination)
    {
        Span<ushort> result = MemoryMarshal.Cast<byte, ushort>(destination)[..source.Length];
        for (int index = 0; index < source.Length; index++)
            result[index] = BitConverter.HalfToUInt16Bits((Half)source[index]);
    }

    public static void ToFloat32(ReadOnlySpan<float> source, Span<byte> destination) =>
        MemoryMarshal.AsBytes(source).CopyTo(destination);
}
