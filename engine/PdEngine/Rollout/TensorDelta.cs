namespace PdEngine;

/// <summary>Changed elements of one tensor.</summary>
/// <param name="indices">Row-major, ascending, each once.</param>
/// <param name="values">Their new values, as many.</param>
/// <param name="resultSha256">Of all elements of the resulting tensor in bf16, little-endian.</param>
internal sealed class TensorDelta(long[] indices, float[] values, byte[] resultSha256)
{
    private const int ChunkElements = 1 << 18;

    public ReadOnlySpan<long> Indices => indices;

    /// <summary>Puts the changes of a range into it.</summary>
    public void Apply(long firstElement, Span<float> elements)
    {
        int at = Array.BinarySearch(indices, firstElement);
        at = at < 0 ? ~at : at;
        for (; at < indices.Length && indices[at] < firstElement + elements.Length; at++)
            elements[(int)(indices[at] - firstElement)] = values[at];
    }

    /// <summary>Whether the tensor becomes what the sender has.</summary>
    /// <param name="count">Elements of the tensor.</param>
    /// <param name="read">Reads the resulting elements.</param>
    public bool IsResult(long count, TensorFill read)
    {
        using Sha256 hash = new();
        float[] part = new float[Math.Min(ChunkElements, count)];
        byte[] bytes = new byte[part.Length * sizeof(ushort)];
        for (long first = 0; first < count; first += part.Length)
        {
            Span<float> elements = part.AsSpan(0, (int)Math.Min(part.Length, count - first));
            read(first, elements);
            FloatNarrowing.ToBFloat16(elements, bytes);
            hash.Append(bytes.AsSpan(0, elements.Length * sizeof(ushort)));
        }
        return hash.Finish().AsSpan().SequenceEqual(resultSha256);
    }
}
