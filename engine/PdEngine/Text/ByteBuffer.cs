namespace PdEngine;

/// <summary>A growing run of bytes that is kept between uses.</summary>
internal sealed class ByteBuffer
{
    private byte[] _bytes = [];
    private int _count;

    /// <summary>What was written; valid until the next write.</summary>
    public ReadOnlySpan<byte> Written => _bytes.AsSpan(0, _count);

    /// <summary>Bytes held, written or not.</summary>
    public int Capacity => _bytes.Length;

    public void Clear() => _count = 0;

    public void Add(ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(Reserve(bytes.Length));
        _count += bytes.Length;
    }

    public void Add(byte value)
    {
        Reserve(1)[0] = value;
        _count++;
    }

    /// <summary>
    /// Space for at least <paramref name="bytes"/> more, to be kept with <see cref="Advance"/>.
    /// </summary>
    public Span<byte> Reserve(int bytes)
    {
        int needed = checked(_count + bytes);
        if (needed > _bytes.Length)
            Array.Resize(ref _bytes, Math.Max(needed, (int)Math.Min(_bytes.Length * 2L, Array.MaxLength)));
        return _bytes.AsSpan(_count);
    }

    public void Advance(int bytes) => _count += bytes;
}
