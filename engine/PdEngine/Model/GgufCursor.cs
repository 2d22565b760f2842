using System.Buffers.Binary;
using System.Text;

namespace PdEngine;

/// <summary>
/// Reads a GGUF header front to back through a small buffer; every step is checked against the file's end.
/// </summary>
internal sealed class GgufCursor
{
    private const int MaxBufferBytes = 1 << 16;

    private readonly string _path;
    private readonly IByteSource _source;
    private readonly byte[] _buffer;
    private long _bufferOffset;
    private int _bufferBytes;

    public GgufCursor(string path, IByteSource source, long offsetBytes = 0)
    {
        _path = path;
        _source = source;
        _buffer = new byte[Math.Clamp(source.LengthBytes - offsetBytes, 0, MaxBufferBytes)];
        OffsetBytes = offsetBytes;
    }

    public long OffsetBytes { get; private set; }

    public long RemainingBytes => _source.LengthBytes - OffsetBytes;

    public uint ReadU32() => BinaryPrimitives.ReadUInt32LittleEndian(Take(sizeof(uint)));

    public ulong ReadU64() => BinaryPrimitives.ReadUInt64LittleEndian(Take(sizeof(ulong)));

    /// <summary>
    /// A count of things of at least <paramref name="unitBytes"/> each, which must fit in what is left.
    /// </summary>
    public long ReadCount(string what, int unitBytes)
    {
        ulong count = ReadU64();
        return count <= (ulong)(RemainingBytes / unitBytes)
            ? (long)count
            : throw new CheckpointException(
                _path, $"it claims {count} {what} at byte {OffsetBytes}, with {RemainingBytes} bytes left " +
                       "in the file");
    }

    /// <summary>A short string, which must be UTF-8.</summary>
    public string ReadName(string what, int maxBytes)
    {
        long length = ReadCount($"bytes of {what}", 1);
        if (length > maxBytes)
            throw new CheckpointException(
                _path, $"a {what} at byte {OffsetBytes} has {length} bytes; at most {maxBytes} are allowed");
        ReadOnlySpan<byte> bytes = Take((int)length);
        return System.Text.Unicode.Utf8.IsValid(bytes)
            ? Encoding.UTF8.GetString(bytes)
            : throw new CheckpointException(_path, $"a {what} before byte {OffsetBytes} is not UTF-8");
    }

    /// <summary>A scalar's 64 bits, as <see cref="GgufValue.Bits"/> holds them.</summary>
    public ulong ReadScalar(GgufValueType type)
    {
        ReadOnlySpan<byte> bytes = Take(GgufValue.ScalarBytes(type));
        switch (type)
        {
            case GgufValueType.U8:
                return bytes[0];
            case GgufValueType.I8:
                return (ulong)(sbyte)bytes[0];
            case GgufValueType.U16:
                return BinaryPrimitives.ReadUInt16LittleEndian(bytes);
            case GgufValueType.I16:
                return (ulong)BinaryPrimitives.ReadInt16LittleEndian(bytes);
            case GgufValueType.U32:
                return BinaryPrimitives.ReadUInt32LittleEndian(bytes);
            case GgufValueType.I32:
                return (ulong)BinaryPrimitives.ReadInt32LittleEndian(bytes);
            case GgufValueType.F32:
                return BitConverter.DoubleToUInt64Bits(BinaryPrimitives.ReadSingleLittleEndian(bytes));
            case GgufValueType.Bool:
                return bytes[0] <= 1
                    ? bytes[0]
                    : throw new CheckpointException(
                        _path, $"a bool before byte {OffsetBytes} is {bytes[0]}; it must be 0 or 1");
            default:
                return BinaryPrimitives.ReadUInt64LittleEndian(bytes);
        }
    }

    public void Skip(long countBytes)
    {
        if (countBytes > RemainingBytes)
            throw Truncated(countBytes);
        OffsetBytes += countBytes;
    }

    /// <summary>The next bytes, valid until the next call; at most one buffer of them.</summary>
    public ReadOnlySpan<byte> Take(int countBytes)
    {
        if (countBytes > RemainingBytes)
            throw Truncated(countBytes);
        Check.That(countBytes <= _buffer.Length);
        if (OffsetBytes < _bufferOffset || OffsetBytes + countBytes > _bufferOffset + _bufferBytes)
        {
            _bufferOffset = OffsetBytes;
            _bufferBytes = (int)Math.Min(_buffer.Length, RemainingBytes);
            _source.Read(_bufferOffset, _buffer.AsSpan(0, _bufferBytes));
        }
        ReadOnlySpan<byte> bytes = _buffer.AsSpan((int)(OffsetBytes - _bufferOffset), countBytes);
        OffsetBytes += countBytes;
        return bytes;
    }

    private CheckpointException Truncated(long countBytes) => new(
        _path, $"it is truncated: {countBytes} bytes are due at byte {OffsetBytes}, {RemainingBytes} are " +
               "there");
}
