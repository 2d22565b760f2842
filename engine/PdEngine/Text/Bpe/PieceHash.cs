using System.Buffers.Binary;

namespace PdEngine;

/// <summary>
/// A fast 64-bit hash of a short byte string. Equal hashes never stand for equal bytes here.
/// </summary>
internal static class PieceHash
{
    private const ulong Seed = 0x9E3779B97F4A7C15;
    private const ulong Mix = 0xFF51AFD7ED558CCD;
    private const ulong Finish = 0xC4CEB9FE1A85EC53;

    public static ulong Of(ReadOnlySpan<byte> bytes)
    {
        ulong hash = (ulong)bytes.Length * Seed;
        while (bytes.Length >= 8)
        {
            hash = Step(hash, BinaryPrimitives.ReadUInt64LittleEndian(bytes));
            bytes = bytes[8..];
        }
        if (bytes.Length >= 4)
        {
            ulong low = BinaryPrimitives.ReadUInt32LittleEndian(bytes);
            ulong high = BinaryPrimitives.ReadUInt32LittleEndian(bytes[^4..]);
            hash = Step(hash, low | high << 32);
        }
        else if (bytes.Length > 0)
        {
            ulong word = bytes[0] | (ulong)bytes[bytes.Length >> 1] << 8 | (ulong)bytes[^1] << 16;
            hash = Step(hash, word);
        }
        hash *= Finish;
        return hash ^ (hash >> 29);
    }

    private static ulong Step(ulong hash, ulong word)
    {
        hash = (hash ^ word) * Mix;
        return hash ^ (hash >> 32);
    }
}
