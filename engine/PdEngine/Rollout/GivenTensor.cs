using System.Runtime.InteropServices;

namespace PdEngine;

/// <summary>One tensor of an update, or what of it has been given so far.</summary>
internal sealed unsafe class GivenTensor : IDisposable
{
    private readonly List<(long First, long Count)> _given = [];
    private readonly HostBuffer? _buffer;
    private readonly nint _address;
    private readonly SafetensorsFile? _file;
    private readonly SafetensorsTensor? _stored;

    /// <summary>A copy of spans, to be filled.</summary>
    public GivenTensor(long[] shape, WeightElement element)
    {
        Shape = shape;
        Element = element;
        _buffer = HostBuffer.Allocate(Count * BytesOf(element));
        _address = _buffer.Address;
    }

    /// <summary>Memory of the caller's.</summary>
    public GivenTensor(long[] shape, WeightElement element, nint address)
    {
        Shape = shape;
        Element = element;
        _address = address;
        _given.Add((0, Count));
    }

    /// <summary>A tensor of an open file.</summary>
    public GivenTensor(SafetensorsFile file, SafetensorsTensor stored)
    {
        Shape = stored.Shape;
        _file = file;
        _stored = stored;
        _given.Add((0, Count));
    }

    public long[] Shape { get; }

    public WeightElement Element { get; }

    public long Count => TensorShape.Count(Shape);

    /// <summary>Elements that have been given.</summary>
    public long GivenCount
    {
        get
        {
            long count = 0;
            foreach ((_, long part) in _given)
                count += part;
            return count;
        }
    }

    /// <summary>Where it comes from, where that is a file of a dtype that is not read; else null.</summary>
    public string? Unreadable => _stored is { } stored && !SafetensorsDtypes.IsWeight(stored.Dtype)
        ? SafetensorsDtypes.NameOf(stored.Dtype)
        : null;

    /// <summary>Bytes of an element.</summary>
    public static int BytesOf(WeightElement element) => element == WeightElement.Float32 ? 4 : 2;

    /// <summary>Takes a part; false where some of it has been given before.</summary>
    public bool TryGive(long first, long count, ReadOnlySpan<byte> values)
    {
        foreach ((long start, long length) in _given)
        {
            if (first < start + length && start < first + count)
                return false;
        }
        _given.Add((first, count));
        byte* target = (byte*)_address + (first * BytesOf(Element));
        fixed (byte* source = values)
            Buffer.MemoryCopy(source, target, values.Length, values.Length);
        return true;
    }

    /// <summary>Reads elements as float32; safe from several threads at once.</summary>
    public void Read(long first, Span<float> destination)
    {
        if (_file is not null)
        {
            _file.Read(_stored!, first, destination);
            return;
        }
        int bytes = BytesOf(Element);
        ReadOnlySpan<byte> source = new((byte*)_address + (first * bytes), destination.Length * bytes);
        switch (Element)
        {
            case WeightElement.Float32:
                FloatWidening.FromFloat32(source, destination);
                break;
            case WeightElement.BFloat16:
                FloatWidening.FromBFloat16(source, destination);
                break;
            default:
                FloatWidening.FromFloat16(source, destination);
                break;
        }
    }

    public void Dispose() => _buffer?.Dispose();
}
