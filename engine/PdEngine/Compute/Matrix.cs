namespace PdEngine;

/// <summary>A weight [Rows, Columns] in the form that its backend multiplies with: y = x Wᵀ.</summary>
/// <param name="rows">Output features.</param>
/// <param name="columns">Input features.</param>
/// <param name="segmentCount">
/// 1, 2 or 4 equal runs of input features that are summed apart and then pairwise, (s0+s1)+(s2+s3): the fixed
/// order that makes a row-parallel product the same at every tensor-parallel size.
/// </param>
internal abstract class Matrix(int rows, int columns, int segmentCount) : IDisposable
{
    public int Rows { get; } = rows;

    public int Columns { get; } = columns;

    public int SegmentCount { get; } = segmentCount;

    /// <summary>Bytes that one product reads.</summary>
    public abstract long Bytes { get; }

    public abstract void Dispose();
}

/// <summary>
/// Fills rows [firstRow, firstRow + rowCount) of a weight as float32, row-major; thread-safe.
/// </summary>
internal delegate void MatrixReader(int firstRow, int rowCount, Span<float> destination);
