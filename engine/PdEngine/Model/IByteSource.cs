namespace PdEngine;

/// <summary>Bytes of a checkpoint file, read at any offset by any number of threads at once.</summary>
internal interface IByteSource : IDisposable
{
    long LengthBytes { get; }

    /// <summary>Fills <paramref name="destination"/>; the range must lie inside the source.</summary>
    void Read(long offsetBytes, Span<byte> destination);
}
