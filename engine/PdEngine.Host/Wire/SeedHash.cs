using System.Buffers.Binary;

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
        return BinaryPrimitives.ReadUInt64LittleEndian(Sha256.Of(input));
    }
}
