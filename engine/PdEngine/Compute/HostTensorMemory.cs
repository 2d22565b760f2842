namespace PdEngine;

/// <summary>Zeroed, 64-byte aligned host memory of a tensor.</summary>
internal sealed unsafe class HostTensorMemory(long elementCount) : TensorMemory
{
    private readonly HostBuffer _buffer = HostBuffer.Allocate(elementCount * sizeof(float));

    public override nint Address => _buffer.Address;

    public override bool IsHost => true;

    public override void Write(long firstElement, ReadOnlySpan<float> values) =>
        values.CopyTo(new((float*)Address + firstElement, values.Length));

    public override void Read(long firstElement, Span<float> values) =>
        new ReadOnlySpan<float>((float*)Address + firstElement, values.Length).CopyTo(values);

    public override void Dispose() => _buffer.Dispose();
}
