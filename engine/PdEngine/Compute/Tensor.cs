namespace PdEngine;

/// <summary>
/// A float32 matrix [Rows, Columns], row-major, rows 64-byte aligned, in a backend's memory. Its row count is
/// set per step within a fixed capacity, so that no step allocates.
/// </summary>
internal sealed class Tensor : IDisposable
{
    private readonly TensorMemory _memory;
    private readonly int _firstColumn;

    /// <summary>A tensor in host memory.</summary>
    public Tensor(int rowCapacity, int columns)
        : this(rowCapacity, columns, elementCount => new HostTensorMemory(elementCount))
    {
    }

    /// <param name="rowCapacity">Most rows.</param>
    /// <param name="columns">Columns.</param>
    /// <param name="allocate">Makes the memory of so many elements, which the tensor owns.</param>
    public Tensor(int rowCapacity, int columns, Func<long, TensorMemory> allocate)
    {
        Columns = columns;
        Stride = (columns + 15) / 16 * 16;
        RowCapacity = rowCapacity;
        Rows = rowCapacity;
        _memory = allocate((long)rowCapacity * Stride);
    }

    private Tensor(Tensor whole, int firstColumn, int columns)
    {
        Check.That(firstColumn >= 0 && columns >= 0 && firstColumn + columns <= whole.Columns);
        Columns = columns;
        Stride = whole.Stride;
        RowCapacity = whole.RowCapacity;
        Rows = whole.Rows;
        _memory = whole._memory;
        _firstColumn = whole._firstColumn + firstColumn;
        IsView = true;
    }

    public int RowCapacity { get; }

    /// <summary>Another tensor has its memory.</summary>
    public bool IsView { get; }

    public int Rows { get; private set; }

    public int Columns { get; }

    /// <summary>Elements from one row to the next.</summary>
    public int Stride { get; }

    /// <summary>Address of the first element.</summary>
    public nint Address => _memory.Address + (_firstColumn * sizeof(float));

    /// <summary>Where it lies; views share it.</summary>
    public TensorMemory Memory => _memory;

    /// <summary>Whether <see cref="Row"/> may be asked for.</summary>
    public bool IsHost => _memory.IsHost;

    public void SetRows(int rows)
    {
        Check.That(rows >= 0 && rows <= RowCapacity);
        Rows = rows;
    }

    /// <summary>One row [Columns] of a tensor in host memory.</summary>
    public unsafe Span<float> Row(int row)
    {
        Check.That((uint)row < (uint)RowCapacity && IsHost);
        return new((float*)Address + (long)row * Stride, Columns);
    }

    /// <summary>Takes the values of a row in, wherever it lies; not between the ops of a step.</summary>
    public void WriteRow(int row, ReadOnlySpan<float> values)
    {
        Check.That((uint)row < (uint)RowCapacity && values.Length == Columns);
        _memory.Write(((long)row * Stride) + _firstColumn, values);
    }

    /// <summary>Gives some values of a row out, wherever it lies; not between the ops of a step.</summary>
    public void ReadRow(int row, int firstColumn, Span<float> values)
    {
        Check.That((uint)row < (uint)RowCapacity);
        Check.That(firstColumn >= 0 && firstColumn + values.Length <= Columns);
        _memory.Read(((long)row * Stride) + _firstColumn + firstColumn, values);
    }

    /// <summary>
    /// Some columns as a tensor of its own that shares the memory, with a row count of its own; good until
    /// this is disposed.
    /// </summary>
    public Tensor View(int firstColumn, int columns) => new(this, firstColumn, columns);

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

    /// <summary>Fails unless some columns of this can be the sum of partials and a bias.</summary>
    public void CheckSum(
        ReadOnlySpan<Tensor> partials, Tensor? bias, int firstColumn, int columnCount)
    {
        Check.That(partials.Length is 2 or 4 && (bias is null || bias.Columns == Columns));
        Check.That(firstColumn >= 0 && columnCount >= 0 && firstColumn + columnCount <= Columns);
        foreach (Tensor partial in partials)
        {
            Check.That(partial.Rows == Rows && partial.Columns == Columns);
            Check.That(partial.Stride == partials[0].Stride);
        }
    }

    public void Dispose()
    {
        if (!IsView)
            _memory.Dispose();
    }
}
