using System.Buffers;
using System.Buffers.Binary;
using System.Text;

namespace PdEngine;

/// <summary>Writes GGUF version 3 files without ever holding a whole tensor.</summary>
internal sealed class GgufWriter
{
    private const int ChunkElements = 1 << 16;
    private const int Alignment = 32;

    private readonly ArrayBufferWriter<byte> _pairs = new();
    private readonly ArrayBufferWriter<byte> _table = new();
    private readonly List<(GgufType Type, long Count, TensorFill Fill)> _tensors = [];
    private long _dataBytes;
    private ulong _pairCount;

    public void AddText(string key, string value)
    {
        StartPair(key, GgufValueType.Text);
        WriteText(_pairs, value);
    }

    /// <summary>A string that is UTF-8 already.</summary>
    public void AddText(string key, ReadOnlySpan<byte> utf8)
    {
        StartPair(key, GgufValueType.Text);
        WriteU64(_pairs, (ulong)utf8.Length);
        _pairs.Write(utf8);
    }

    public void AddInteger(string key, uint value)
    {
        StartPair(key, GgufValueType.U32);
        WriteU32(_pairs, value);
    }

    public void AddNumber(string key, float value)
    {
        StartPair(key, GgufValueType.F32);
        WriteU32(_pairs, BitConverter.SingleToUInt32Bits(value));
    }

    public void AddFlag(string key, bool value)
    {
        StartPair(key, GgufValueType.Bool);
        _pairs.Write(value ? [1] : [0]);
    }

    public void AddTexts(string key, IReadOnlyList<string> values)
    {
        StartArray(key, GgufValueType.Text, values.Count);
        foreach (string value in values)
            WriteText(_pairs, value);
    }

    public void AddIntegers(string key, IReadOnlyList<int> values)
    {
        StartArray(key, GgufValueType.I32, values.Count);
        foreach (int value in values)
            WriteU32(_pairs, (uint)value);
    }

    public void AddNumbers(string key, IReadOnlyList<float> values)
    {
        StartArray(key, GgufValueType.F32, values.Count);
        foreach (float value in values)
            WriteU32(_pairs, BitConverter.SingleToUInt32Bits(value));
    }

    /// <summary>
    /// Adds a tensor; its elements are asked for when the file is written, in whole blocks.
    /// </summary>
    /// <param name="name">Its name in the file.</param>
    /// <param name="type">A type that <see cref="GgufEncoder.CanEncode"/>.</param>
    /// <param name="shape">Outermost first; rows of whole blocks.</param>
    /// <param name="fill">Its elements.</param>
    public void AddTensor(string name, GgufType type, long[] shape, TensorFill fill)
    {
        Check.That(GgufEncoder.CanEncode(type));
        (int blockElements, int blockBytes) = GgufTypes.BlockOf(type);
        Check.That(shape.Length == 0 || shape[^1] % blockElements == 0);
        WriteText(_table, name);
        WriteU32(_table, (uint)shape.Length);
        for (int dimension = shape.Length - 1; dimension >= 0; dimension--)
            WriteU64(_table, (ulong)shape[dimension]);
        WriteU32(_table, (uint)type);
        WriteU64(_table, (ulong)_dataBytes);
        long count = TensorShape.Count(shape);
        _dataBytes += Padded(count / blockElements * blockBytes);
        _tensors.Add((type, count, fill));
    }

    public void Write(string path)
    {
        using FileStream stream = File.Create(path);
        Write(stream);
    }

    public void Write(Stream stream)
    {
        ArrayBufferWriter<byte> start = new();
        start.Write("GGUF"u8);
        WriteU32(start, 3);
        WriteU64(start, (ulong)_tensors.Count);
        WriteU64(start, _pairCount);
        stream.Write(start.WrittenSpan);
        stream.Write(_pairs.WrittenSpan);
        stream.Write(_table.WrittenSpan);
        Pad(stream, start.WrittenCount + _pairs.WrittenCount + _table.WrittenCount);
        float[] values = new float[ChunkElements];
        byte[] bytes = new byte[ChunkElements * sizeof(float)];
        foreach ((GgufType type, long count, TensorFill fill) in _tensors)
        {
            (int blockElements, int blockBytes) = GgufTypes.BlockOf(type);
            for (long first = 0; first < count; first += ChunkElements)
            {
                Span<float> part = values.AsSpan(0, (int)Math.Min(ChunkElements, count - first));
                fill(first, part);
                GgufEncoder.Encode(type, part, bytes);
                stream.Write(bytes.AsSpan(0, part.Length / blockElements * blockBytes));
            }
            Pad(stream, count / blockElements * blockBytes);
        }
    }

    private void StartPair(string key, GgufValueType type)
    {
        _pairCount++;
        WriteText(_pairs, key);
        WriteU32(_pairs, (uint)type);
    }

    private void StartArray(string key, GgufValueType elementType, int count)
    {
        StartPair(key, GgufValueType.Array);
        WriteU32(_pairs, (uint)elementType);
        WriteU64(_pairs, (ulong)count);
    }

    private static long Padded(long sizeBytes) => (sizeBytes + Alignment - 1) / Alignment * Alignment;

    private static void Pad(Stream stream, long writtenBytes)
    {
        Span<byte> zeros = stackalloc byte[Alignment];
        zeros.Clear();
        stream.Write(zeros[..(int)(Padded(writtenBytes) - writtenBytes)]);
    }

    private static void WriteText(ArrayBufferWriter<byte> target, string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        WriteU64(target, (ulong)bytes.Length);
        target.Write(bytes);
    }

    private static void WriteU32(ArrayBufferWriter<byte> target, uint value)
    {
        Span<byte> bytes = stackalloc byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, value);
        target.Write(bytes);
    }

    private static void WriteU64(ArrayBufferWriter<byte> target, ulong value)
    {
        Span<byte> bytes = stackalloc byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, value);
        target.Write(bytes);
    }
}
