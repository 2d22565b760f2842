namespace PdEngine;

/// <summary>A weight as the checkpoint has it: float32, row-major, rows back to back.</summary>
internal sealed class ReferenceMatrix : Matrix
{
    private readonly HostBuffer _buffer;

    public ReferenceMatrix(int rows, int columns, int segmentCount)
        : base(rows, columns, segmentCount)
    {
        Bytes = (long)rows * columns * sizeof(float);
        _buffer = HostBuffer.Allocate(Bytes);
    }

    public override long Bytes { get; }

    /// <summary>Address of the first element.</summary>
    public unsafe float* Address => (float*)_buffer.Address;

    /// <summary>Rows [first, first + count), row-major; few enough for a span.</summary>
    public unsafe Span<float> RowRange(int first, int count)
    {
        Check.That(first >= 0 && count >= 0 && first + count <= Rows);
        return new(Address + ((long)first * Columns), checked(count * Columns));
    }

    public override void Dispose() => _buffer.Dispose();
}
