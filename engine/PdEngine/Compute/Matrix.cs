namespace PdEngine;

/// <summary>A weight [Rows, Columns] in the form that its backend multiplies with: y = x Wᵀ.</summary>
/// <param name="rows">Output features.</param>
/// <param name="columns">Input features.</param>
/// <param name="segmentCount">
/// 1, 2 or 4 equal runs of input features that are summed apart and then pairwise, (s0+s1)+(s2+s3): the fixed
/// order that makes a row-parallel product the same at every tensor-parallel size.
/// </param>
/// <param name="element">What it is multiplied as.</param>
internal abstract class Matrix(
    int rows, int columns, int segmentCount, MatrixElement element = MatrixElement.Native) : IDisposable
{
    /// <summary>Rows that no backend divides further.</summary>
    public const int UnitRows = 32;

    public int Rows { get; } = rows;

    public int Columns { get; } = columns;

    public int SegmentCount { get; } = segmentCount;

    public MatrixElement Element { get; } = element;

    /// <summary>Bytes that one product reads.</summary>
    public abstract long Bytes { get; }

    /// <summary>
    /// Rows [first, first + count) as a matrix of its own that shares the memory; good until this is
    /// disposed.
    /// </summary>
    /// <param name="firstRow">A multiple of <see cref="UnitRows"/>.</param>
    /// <param name="rowCount">A multiple of <see cref="UnitRows"/>, or up to the last row.</param>
    public abstract Matrix View(int firstRow, int rowCount);

    /// <summary>
    /// Rows [first, first + count) as the backend holds them, row-major; any thread may ask. Not of int8.
    /// </summary>
    public abstract void ReadRows(int firstRow, int rowCount, Span<float> destination);

    public abstract void Dispose();

    /// <summary>Fails unless a view of these rows can be made.</summary>
    protected void CheckView(int firstRow, int rowCount)
    {
        int end = firstRow + rowCount;
        Check.That(firstRow >= 0 && rowCount > 0 && end <= Rows);
        Check.That(firstRow % UnitRows == 0 && (end % UnitRows == 0 || end == Rows));
    }
}

/// <summary>
/// Fills rows [firstRow, firstRow + rowCount) of a weight as float32, row-major; thread-safe.
/// </summary>
internal delegate void MatrixReader(int firstRow, int rowCount, Span<float> destination);
