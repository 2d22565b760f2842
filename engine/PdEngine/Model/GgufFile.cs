using System.Buffers;

namespace PdEngine;

/// <summary>
/// One GGUF file, version 2 or 3: metadata, tensor table, aligned data. Opening it reads and proves
/// everything but the data.
/// </summary>
internal sealed class GgufFile : IDisposable
{
    private const uint Magic = 0x46554747;
    private const int MaxNameBytes = 64;
    private const int MaxDimensions = 4;
    private const int MinTensorBytes = 8 + 4 + 4 + 8;
    private const int MinPairBytes = 8 + 4 + 1;
    private const int ChunkBytes = 1 << 16;

    private readonly IByteSource _source;

    /// <summary>Takes over <paramref name="source"/>, and disposes of it where the file is refused.</summary>
    /// <exception cref="CheckpointException">The file breaks a rule of the format.</exception>
    public GgufFile(string path, IByteSource source)
    {
        Path = path;
        _source = source;
        try
        {
            GgufCursor cursor = new(path, source);
            CheckVersion(cursor);
            long tensorCount = cursor.ReadCount("tensors", MinTensorBytes);
            long pairCount = cursor.ReadCount("metadata pairs", MinPairBytes);
            Metadata = GgufMetadata.Read(path, source, cursor, pairCount);
            int alignment = Metadata.OptionalInt("general.alignment", 8, 1 << 20) ?? 32;
            if (alignment % 8 != 0)
                throw Metadata.Fault("general.alignment", $"is {alignment}; it must be a multiple of 8");
            Tensors = ReadTensors(cursor, tensorCount, alignment);
        }
        catch
        {
            source.Dispose();
            throw;
        }
    }

    public string Path { get; }

    public GgufMetadata Metadata { get; }

    public IReadOnlyDictionary<string, GgufTensor> Tensors { get; }

    public static GgufFile Open(string path) => new(path, MappedFile.Open(path));

    /// <summary>Reads elements as float32, dequantised; safe from several threads at once.</summary>
    /// <param name="tensor">One of this file's.</param>
    /// <param name="firstElement">Row-major index; the range must lie inside the tensor.</param>
    /// <param name="destination">Filled whole.</param>
    public void Read(GgufTensor tensor, long firstElement, Span<float> destination)
    {
        (int blockElements, int blockBytes) = GgufTypes.BlockOf(tensor.Type);
        long count = tensor.SizeBytes / blockBytes * blockElements;
        Check.That(firstElement >= 0 && firstElement <= count - destination.Length);
        long block = firstElement / blockElements;
        int skip = (int)(firstElement % blockElements);
        int blocksLeft = (int)((skip + (long)destination.Length + blockElements - 1) / blockElements);
        int chunkBlocks = Math.Min(ChunkBytes / blockBytes, blocksLeft);
        byte[] buffer = ArrayPool<byte>.Shared.Rent(chunkBlocks * blockBytes);
        Span<float> edge = stackalloc float[GgufTypes.MaxBlockElements];
        while (!destination.IsEmpty)
        {
            int blocks = Math.Min(chunkBlocks, blocksLeft);
            Span<byte> bytes = buffer.AsSpan(0, blocks * blockBytes);
            _source.Read(tensor.OffsetBytes + block * blockBytes, bytes);
            block += blocks;
            blocksLeft -= blocks;
            if (skip > 0)
            {
                // The range starts inside a block: the block is decoded aside and its tail copied.
                GgufBlocks.Dequantise(tensor.Type, bytes[..blockBytes], edge[..blockElements]);
                Span<float> tail = edge[skip..blockElements];
                tail = tail[..Math.Min(tail.Length, destination.Length)];
                tail.CopyTo(destination);
                destination = destination[tail.Length..];
                bytes = bytes[blockBytes..];
                skip = 0;
            }
            int whole = Math.Min(bytes.Length / blockBytes, destination.Length / blockElements);
            GgufBlocks.Dequantise(
                tensor.Type, bytes[..(whole * blockBytes)], destination[..(whole * blockElements)]);
            destination = destination[(whole * blockElements)..];
            if (bytes.Length > whole * blockBytes && !destination.IsEmpty)
            {
                GgufBlocks.Dequantise(
                    tensor.Type, bytes.Slice(whole * blockBytes, blockBytes), edge[..blockElements]);
                edge[..destination.Length].CopyTo(destination);
                destination = default;
            }
        }
        ArrayPool<byte>.Shared.Return(buffer);
    }

    public void Dispose() => _source.Dispose();

    private void CheckVersion(GgufCursor cursor)
    {
        uint magic = cursor.ReadU32();
        if (magic != Magic)
            throw Fault($"it starts with 0x{magic:x8}, not with 'GGUF'");
        uint version = cursor.ReadU32();
        if ((version & 0xFFFF) == 0 && version != 0)
            throw Fault("it is big-endian, which is not read");
        if (version is not (2 or 3))
            throw Fault($"it is GGUF version {version}; versions 2 and 3 are read");
    }

    private Dictionary<string, GgufTensor> ReadTensors(GgufCursor cursor, long count, int alignment)
    {
        List<GgufTensor> listed = [];
        HashSet<string> names = new(StringComparer.Ordinal);
        for (long index = 0; index < count; index++)
        {
            GgufTensor tensor = ReadTensor(cursor, alignment);
            if (!names.Add(tensor.Name))
                throw Fault($"tensor '{Shown.Line(tensor.Name)}' is listed twice");
            listed.Add(tensor);
        }
        long dataOffset = (cursor.OffsetBytes + alignment - 1) / alignment * alignment;
        CheckExtents(listed, dataOffset);
        return listed.ToDictionary(
            tensor => tensor.Name, tensor => tensor with { OffsetBytes = dataOffset + tensor.OffsetBytes },
            StringComparer.Ordinal);
    }

    /// <summary>One row of the table, its offset still relative to the data.</summary>
    private GgufTensor ReadTensor(GgufCursor cursor, int alignment)
    {
        string name = cursor.ReadName("tensor name", MaxNameBytes);
        string shown = Shown.Line(name);
        uint dimensions = cursor.ReadU32();
        if (dimensions > MaxDimensions)
            throw Fault($"tensor '{shown}' has {dimensions} dimensions; at most {MaxDimensions} are allowed");
        long[] shape = new long[dimensions];
        long count = 1;
        for (int dimension = shape.Length - 1; dimension >= 0; dimension--)
        {
            ulong extent = cursor.ReadU64();
            UInt128 product = (UInt128)(ulong)count * extent;
            // Eight bytes an element is more than any type takes, so that sizes in bytes cannot overflow
            // either.
            if (extent > long.MaxValue / 8 || product > long.MaxValue / 8)
                throw Fault($"the dimensions of tensor '{shown}' overflow");
            count = (long)product;
            shape[dimension] = (long)extent;
        }
        uint typeNumber = cursor.ReadU32();
        (int blockElements, int blockBytes) = GgufTypes.BlockOf((GgufType)typeNumber);
        if (blockElements == 0)
            throw Fault($"tensor '{shown}' is of ggml type {GgufTypes.NameOfUnread(typeNumber)}, which is " +
                        "not supported; F32, F16, BF16, Q4_0 to Q8_0, Q2_K to Q6_K, IQ4_NL and IQ4_XS are");
        long row = shape.Length == 0 ? 1 : shape[^1];
        if (row % blockElements != 0)
            throw Fault($"tensor '{shown}' has rows of {row} elements, not a multiple of the " +
                        $"{blockElements} of a {(GgufType)typeNumber} block");
        ulong offset = cursor.ReadU64();
        if (offset > long.MaxValue / 2 || offset % (ulong)alignment != 0)
            throw Fault($"tensor '{shown}' is at offset {offset}, not a multiple of the alignment " +
                        $"{alignment}");
        long sizeBytes = count / blockElements * blockBytes;
        return new GgufTensor(name, (GgufType)typeNumber, shape, (long)offset, sizeBytes);
    }

    private void CheckExtents(List<GgufTensor> listed, long dataOffset)
    {
        long dataBytes = Math.Max(0, _source.LengthBytes - dataOffset);
        GgufTensor[] sorted = [.. listed];
        Array.Sort(sorted, (a, b) => a.OffsetBytes != b.OffsetBytes
            ? a.OffsetBytes.CompareTo(b.OffsetBytes)
            : a.SizeBytes.CompareTo(b.SizeBytes));
        long end = 0;
        foreach (GgufTensor tensor in sorted)
        {
            string shown = Shown.Line(tensor.Name);
            if (tensor.OffsetBytes < end)
                throw Fault($"tensor '{shown}' at offset {tensor.OffsetBytes} overlaps one that ends at " +
                            $"{end}");
            if (tensor.OffsetBytes > dataBytes - tensor.SizeBytes)
                throw Fault($"it is truncated: tensor '{shown}' takes {tensor.SizeBytes} bytes at offset " +
                            $"{tensor.OffsetBytes} of {dataBytes} bytes of data");
            end = tensor.OffsetBytes + tensor.SizeBytes;
        }
    }

    private CheckpointException Fault(string problem) => new(Path, problem);
}
