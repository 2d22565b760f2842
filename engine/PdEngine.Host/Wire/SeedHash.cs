using System.Buffers.Binary;
using System.Security.Cryptography;

namespace PdEngine.Host;

/// <summary>
/// A seed for each sample of each line of a batch, independent of the order in which they run.
/// </summary>
internal static class SeedHash
{
    public static ulong Of(ulong seed, ulong line, ulong sample)
    {
        Span<byte> input = stackalloc byte[24];
        BinaryPrimitives.WriteUInt64LittleEndian(input, seed);
        BinaryPrimitives.WriteUInt64LittleEndian(input[8..], line);
        BinaryPrimitives.WriteUInt64LittleEndian(input[16..], sample);
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(input, hash);
        return BinaryPrimitives.ReadUInt64LittleEndian(hash);
    }
}
