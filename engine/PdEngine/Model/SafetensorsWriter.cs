using System.Buffers.Binary;
using System.Text.Json;

namespace PdEngine;

/// <summary>Writes safetensors files without ever holding a whole tensor.</summary>
internal sealed class SafetensorsWriter
{
    private const int ChunkElements = 1 << 16;

    private readonly List<(SafetensorsTensor Tensor, TensorFill Fill)> _tensors = [];
    private long _endBytes;

    /// <summary>Adds a tensor; its elements are asked for when the file is written.</summary>
    /// <param name="name">Its name, not used before.</param>
    /// <param name="dtype">F32, F16 or BF16.</param>
    /// <param name="shape">Outermost first.</param>
    /// <param name="fill">Its elements.</param>
    public void Add(string name, SafetensorsDtype dtype, long[] shape, TensorFill fill)
    {
        Check.That(dtype is SafetensorsDtype.F32 or SafetensorsDtype.F16 or SafetensorsDtype.BF16);
        long sizeBytes = TensorShape.Count(shape) * SafetensorsDtypes.BitsOf(dtype) / 8;
        _tensors.Add((new SafetensorsTensor(name, dtype, shape, _endBytes, _endBytes + sizeBytes), fill));
        _endBytes += sizeBytes;
    }

    public void Write(string path)
    {
        using FileStream stream = File.Create(path);
        Write(stream);
    }

    public void Write(Stream stream)
    {
        byte[] header = Header();
        Span<byte> prefix = stackalloc byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64LittleEndian(prefix, (ulong)header.Length);
        stream.Write(prefix);
        stream.Write(header);
        float[] values = new float[ChunkElements];
        byte[] bytes = new byte[ChunkElements * sizeof(float)];
        foreach ((SafetensorsTensor tensor, TensorFill fill) in _tensors)
        {
            int elementBytes = SafetensorsDtypes.BitsOf(tensor.Dtype) / 8;
            long count = (tensor.EndBytes - tensor.BeginBytes) / elementBytes;
            for (long first = 0; first < count; first += ChunkElements)
            {
                Span<float> part = values.AsSpan(0, (int)Math.Min(ChunkElements, count - first));
                fill(first, part);
                Narrow(tensor.Dtype, part, bytes);
                stream.Write(bytes.AsSpan(0, part.Length * elementBytes));
            }
        }
    }

    private static void Narrow(SafetensorsDtype dtype, ReadOnlySpan<float> source, Span<byte> destination)
    {
        switch (dtype)
        {
            case SafetensorsDtype.BF16:
                FloatNarrowing.ToBFloat16(source, destination);
                break;
            case SafetensorsDtype.F16:
                FloatNarrowing.ToFloat16(source, destination);
                break;
            default:
                FloatNarrowing.ToFloat32(source, destination);
                break;
        }
    }

    /// <summary>The JSON, padded with spaces so that the data starts at a multiple of 8.</summary>
    private byte[] Header()
    {
        using MemoryStream json = new();
        using (Utf8JsonWriter writer = new(json))
        {
            writer.WriteStartObject();
            writer.WriteStartObject("__metadata__");
            writer.WriteString("format", "pt");
            writer.WriteEndObject();
            foreach ((SafetensorsTensor tensor, _) in _tensors)
            {
                writer.WriteStartObject(tensor.Name);
                writer.WriteString("dtype", SafetensorsDtypes.NameOf(tensor.Dtype));
                WriteNumbers(writer, "shape", tensor.Shape);
                WriteNumbers(writer, "data_offsets", [tensor.BeginBytes, tensor.EndBytes]);
                writer.WriteEndObject();
            }
            writer.WriteEndObject();
        }
        while (json.Length % 8 != 0)
            json.WriteByte((byte)' ');
        return json.ToArray();
    }

    private static void WriteNumbers(Utf8JsonWriter writer, string name, ReadOnlySpan<long> numbers)
    {
        writer.WriteStartArray(name);
        foreach (long number in numbers)
            writer.WriteNumberValue(number);
        writer.WriteEndArray();
    }
}
