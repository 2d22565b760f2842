using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace PdEngine;

/// <summary>
/// Exact conversions of stored little-endian numbers to float32, vectorised, at any alignment.
/// </summary>
internal static class FloatWidening
{
    private const uint HalfInfinity = 0x7C00;

    // 2^112 moves a half's exponent, read as if it were a float32's, to where it belongs.
    private const float HalfRebias = 5.192296858534828e33f;

    public static void FromBFloat16(ReadOnlySpan<byte> source, Span<float> destination)
    {
        ReadOnlySpan<ushort> bits = MemoryMarshal.Cast<byte, ushort>(source)[..destination.Length];
        Span<uint> result = MemoryMarshal.Cast<float, uint>(destination);
        int index = 0;
        for (; index <= result.Length - Vector<ushort>.Count; index += Vector<ushort>.Count)
        {
            Vector.Widen(new Vector<ushort>(bits[index..]), out Vector<uint> low, out Vector<uint> high);
            (low << 16).CopyTo(result[index..]);
            (high << 16).CopyTo(result[(index + Vector<uint>.Count)..]);
        }
        for (; index < result.Length; index++)
            result[index] = (uint)bits[index] << 16;
    }

    public static void FromFloat16(ReadOnlySpan<byte> source, Span<float> destination)
    {
        ReadOnlySpan<ushort> bits = MemoryMarshal.Cast<byte, ushort>(source)[..destination.Length];
        int index = 0;
        for (; index <= destination.Length - Vector<ushort>.Count; index += Vector<ushort>.Count)
        {
            Vector.Widen(new Vector<ushort>(bits[index..]), out Vector<uint> low, out Vector<uint> high);
            FromHalfBits(low).CopyTo(destination[index..]);
            FromHalfBits(high).CopyTo(destination[(index + Vector<float>.Count)..]);
        }
        for (; index < destination.Length; index++)
            destination[index] = FromHalfBits(new Vector<uint>(bits[index]))[0];
    }

    public static void FromFloat32(ReadOnlySpan<byte> source, Span<float> destination) =>
        source[..(destination.Length * sizeof(float))].CopyTo(MemoryMarshal.AsBytes(destination));

    public static void FromFloat64(ReadOnlySpan<byte> source, Span<float> destination)
    {
        ReadOnlySpan<double> wide = MemoryMarshal.Cast<byte, double>(source)[..destination.Length];
        for (int index = 0; index < destination.Length; index++)
            destination[index] = (float)wide[index];
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector<float> FromHalfBits(Vector<uint> half)
    {
        Vector<uint> sign = (half & new Vector<uint>(0x8000)) << 16;
        Vector<uint> magnitude = half & new Vector<uint>(0x7FFF);
        Vector<uint> value = Vector.AsVectorUInt32(Vector.AsVectorSingle(magnitude << 13) * HalfRebias);
        // A half's infinity and NaN would come out as large finite numbers: give them float32's top exponent.
        Vector<uint> special = Vector.GreaterThanOrEqual(magnitude, new Vector<uint>(HalfInfinity));
        value |= special & new Vector<uint>(0x7F800000);
        return Vector.AsVectorSingle(value | sign);
    }
}
