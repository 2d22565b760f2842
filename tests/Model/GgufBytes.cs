using System.Buffers.Binary;
using System.Text;

namespace PdEngine.Tests;

/// <summary>Writes GGUF files byte by byte, so that a test can break any rule of the format.</summary>
internal sealed class GgufBytes
{
    private readonly List<byte> _bytes = [];

    public static int EmptyFileBytes => EmptyFile().Length;

    /// <summary>A valid file without metadata or tensors, padded to where its data would start.</summary>
    public static byte[] EmptyFile() => new GgufBytes().Start(0, 0).Raw(new byte[8]).ToArray();

    public GgufBytes Start(ulong tensors, ulong pairs, uint version = 3, string magic = "GGUF") =>
        Raw(Encoding.ASCII.GetBytes(magic)).U32(version).U64(tensors).U64(pairs);

    public GgufBytes U32(uint value)
    {
        byte[] bytes = new byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, value);
        return Raw(bytes);
    }

    public GgufBytes U64(ulong value)
    {
        byte[] bytes = new byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, value);
        return Raw(bytes);
    }

    public GgufBytes Text(string text) =>
        U64((ulong)Encoding.UTF8.GetByteCount(text)).Raw(Encoding.UTF8.GetBytes(text));

    public GgufBytes Raw(params byte[] bytes)
    {
        _bytes.AddRange(bytes);
        return this;
    }

    public GgufBytes Pair(string key, GgufValueType type, params byte[] value) =>
        Text(key).U32((uint)type).Raw(value);

    public GgufBytes Tensor(string name, uint type, ulong offset, params ulong[] innermostFirst)
    {
        Text(name).U32((uint)innermostFirst.Length);
        foreach (ulong extent in innermostFirst)
            U64(extent);
        return U32(type).U64(offset);
    }

    /// <summary>Pads to the alignment and adds data.</summary>
    public GgufBytes Data(int countBytes, int alignment = 32) =>
        Raw(new byte[(alignment - _bytes.Count % alignment) % alignment]).Raw(new byte[countBytes]);

    public byte[] ToArray() => [.. _bytes];

    public GgufFile Open() => new("model.gguf", new MemoryBytes(ToArray()));
}
