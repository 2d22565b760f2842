using System.Buffers;
using System.Buffers.Binary;

namespace PdEngine;

/// <summary>
/// One safetensors file: u64 header length, JSON header, data. Opening it reads and proves the header alone.
/// </summary>
internal sealed class SafetensorsFile : IDisposable
{
    private const long MaxHeaderBytes = 100_000_000;
    private const int ChunkBytes = 1 << 16;

    private readonly IByteSource _source;
    private readonly long _dataOffsetBytes;

    /// <summary>
    /// Takes over <paramref name="source"/>, and disposes of it where the header is refused.
    /// </summary>
    /// <exception cref="CheckpointException">The header breaks a rule of the format.</exception>
    public SafetensorsFile(string path, IByteSource source)
    {
        Path = path;
        _source = source;
        try
        {
            Tensors = ReadHeader(path, source, out _dataOffsetBytes);
        }
        catch
        {
            source.Dispose();
            throw;
        }
    }

    public string Path { get; }

    public IReadOnlyDictionary<string, SafetensorsTensor> Tensors { get; }

    public static SafetensorsFile Open(string path) => new(path, MappedFile.Open(path));

    /// <summary>Reads elements as float32; safe from several threads at once.</summary>
    /// <param name="tensor">
    /// One of this file's, of a dtype that <see cref="SafetensorsDtypes.IsWeight"/>.
    /// </param>
    /// <param name="firstElement">Row-major index; the range must lie inside the tensor.</param>
    /// <param name="destination">Filled whole.</param>
    public void Read(SafetensorsTensor tensor, long firstElement, Span<float> destination)
    {
        Check.That(SafetensorsDtypes.IsWeight(tensor.Dtype));
        int elementBytes = SafetensorsDtypes.BitsOf(tensor.Dtype) / 8;
        long count = (tensor.EndBytes - tensor.BeginBytes) / elementBytes;
        Check.That(firstElement >= 0 && firstElement <= count - destination.Length);
        long offset = _dataOffsetBytes + tensor.BeginBytes + firstElement * elementBytes;
        if (tensor.Dtype == SafetensorsDtype.F32)
        {
            _source.Read(offset, System.Runtime.InteropServices.MemoryMarshal.AsBytes(destination));
            return;
        }
        // Through a small buffer that stays in the core's cache: the file's data has no alignment to rely on.
        byte[] buffer = ArrayPool<byte>.Shared.Rent(Math.Min(ChunkBytes, destination.Length * elementBytes));
        while (!destination.IsEmpty)
        {
            Span<float> part = destination[..Math.Min(destination.Length, ChunkBytes / elementBytes)];
            Span<byte> bytes = buffer.AsSpan(0, part.Length * elementBytes);
            _source.Read(offset, bytes);
            Widen(tensor.Dtype, bytes, part);
            offset += bytes.Length;
            destination = destination[part.Length..];
        }
        ArrayPool<byte>.Shared.Return(buffer);
    }

    public void Dispose() => _source.Dispose();

    private static void Widen(SafetensorsDtype dtype, ReadOnlySpan<byte> source, Span<float> destination)
    {
        switch (dtype)
        {
            case SafetensorsDtype.BF16:
                FloatWidening.FromBFloat16(source, destination);
                break;
            case SafetensorsDtype.F16:
                FloatWidening.FromFloat16(source, destination);
                break;
            default:
                FloatWidening.FromFloat64(source, destination);
                break;
        }
    }

    private static Dictionary<string, SafetensorsTensor> ReadHeader(
        string path, IByteSource source, out long dataOffsetBytes)
    {
        long fileBytes = source.LengthBytes;
        if (fileBytes < sizeof(ulong))
            throw new CheckpointException(
                path, $"it has {fileBytes} bytes; a safetensors file starts with 8 of header length");
        Span<byte> prefix = stackalloc byte[sizeof(ulong)];
        source.Read(0, prefix);
        ulong headerBytes = BinaryPrimitives.ReadUInt64LittleEndian(prefix);
        if (headerBytes > MaxHeaderBytes)
            throw new CheckpointException(
                path, $"its header claims {headerBytes} bytes; at most {MaxHeaderBytes} are allowed");
        dataOffsetBytes = sizeof(ulong) + (long)headerBytes;
        if (dataOffsetBytes > fileBytes)
            throw new CheckpointException(
                path, $"it is truncated: its header takes {headerBytes} bytes, {fileBytes - sizeof(ulong)} " +
                      "are there");
        byte[] header = ArrayPool<byte>.Shared.Rent((int)headerBytes);
        try
        {
            Span<byte> used = header.AsSpan(0, (int)headerBytes);
            source.Read(sizeof(ulong), used);
            return SafetensorsHeader.Parse(path, used, fileBytes - dataOffsetBytes);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(header);
        }
    }
}
