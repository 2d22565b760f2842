namespace PdEngine;

/// <summary>A checkpoint file's bytes held in memory.</summary>
internal sealed class MemoryBytes(ReadOnlyMemory<byte> bytes) : IByteSource
{
    public long LengthBytes => bytes.Length;

    public void Read(long offsetBytes, Span<byte> destination)
    {
        Check.That(offsetBytes >= 0 && offsetBytes <= bytes.Length - destination.Length);
        bytes.Span.Slice((int)offsetBytes, destination.Length).CopyTo(destination);
    }

    public void Dispose()
    {
    }
}
