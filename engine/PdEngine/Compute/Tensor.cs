namespace PdEngine;

/// <summary>
/// A float32 matrix [Rows, Columns], row-major, rows 64-byte aligned, in a backend's memory. Its row count is
/// set per step within a fixed capacity, so that no step allocates.
/// </summary>
internal sealed class Tensor : IDisposable
{
    private readonly HostBuffer _buffer;

    /// <summary>Host memory for a tensor.</summary>
    public Tensor(int rowCapacity, int columns)
    {
        Columns = columns;
        Stride = (columns + 15) / 16 * 16;
        RowCapacity = rowCapacity;
        Rows = rowCapacity;
        _buffer = HostBuffer.Allocate((long)rowCapacity * Stride * sizeof(float));
    }

    public int RowCapacity { get; }

    public int Rows { get; private set; }

    public int Columns { get; }

    /// <summary>Elements from one row to the next.</summary>
    public int Stride { get; }

    /// <summary>Address of the first element.</summary>
    public nint Address => _buffer.Address;

    public void SetRows(int rows)
    {
        Check.That(rows >= 0 && rows <= RowCapacity);
        Rows = rows;
    }

    /// <summary>One row [Columns].</summary>
    public unsafe Span<float> Row(int row)
    {
        Check.That((uint)row < (uint)RowCapacity);
        return new((float*)_buffer.Address + (long)row * Stride, Columns);
    }

    /// <summary>Row i becomes row rows[i] of another host tensor of as many columns.</summary>
    public void CopyRows(Tensor source, ReadOnlySpan<int> rows)
    {
        Check.That(Rows == rows.Length && Columns == source.Columns);
        for (int index = 0; index < rows.Length; index++)
        {
            Check.That((uint)rows[index] < (uint)source.Rows);
            source.Row(rows[index]).CopyTo(Row(index));
        }
    }

    public void Dispose() => _buffer.Dispose();
}
