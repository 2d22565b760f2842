namespace PdEngine;

/// <summary>A weight as the checkpoint has it: float32, row-major, rows back to back.</summary>
internal sealed class ReferenceMatrix : Matrix
{
    private readonly HostBuffer _buffer;
    private readonly int _firstRow;
    private readonly bool _isView;

    public ReferenceMatrix(int rows, int columns, int segmentCount)
        : base(rows, columns, segmentCount)
    {
        _buffer = HostBuffer.Allocate(Bytes);
    }

    private ReferenceMatrix(ReferenceMatrix whole, int firstRow, int rows)
        : base(rows, whole.Columns, whole.SegmentCount)
    {
        _buffer = whole._buffer;
        _firstRow = whole._firstRow + firstRow;
        _isView = true;
    }

    public override long Bytes => (long)Rows * Columns * sizeof(float);

    /// <summary>Address of the first element.</summary>
    public unsafe float* Address => (float*)_buffer.Address + ((long)_firstRow * Columns);

    /// <summary>Rows [first, first + count), row-major; few enough for a span.</summary>
    public unsafe Span<float> RowRange(int first, int count)
    {
        Check.That(first >= 0 && count >= 0 && first + count <= Rows);
        return new(Address + ((long)first * Columns), checked(count * Columns));
    }

    public override Matrix View(int firstRow, int rowCount)
    {
        CheckView(firstRow, rowCount);
        return new ReferenceMatrix(this, firstRow, rowCount);
    }

    public override void ReadRows(int firstRow, int rowCount, Span<float> destination) =>
        RowRange(firstRow, rowCount).CopyTo(destination);

    public override void Dispose()
    {
        if (!_isView)
            _buffer.Dispose();
    }
}
