namespace PdEngine;

/// <summary>A weight rounded as <see cref="Int8Quantization"/> says, row-major, with its scales.</summary>
internal sealed class ReferenceInt8Matrix : Matrix
{
    private readonly sbyte[] _values;
    private readonly float[] _scales;
    private readonly int _firstRow;

    public ReferenceInt8Matrix(int rows, int columns, int segmentCount)
        : base(rows, columns, segmentCount, MatrixElement.Int8)
    {
        _values = new sbyte[(long)rows * columns];
        _scales = new float[(long)rows * segmentCount];
    }

    private ReferenceInt8Matrix(ReferenceInt8Matrix whole, int firstRow, int rows)
        : base(rows, whole.Columns, whole.SegmentCount, MatrixElement.Int8)
    {
        _values = whole._values;
        _scales = whole._scales;
        _firstRow = whole._firstRow + firstRow;
    }

    public override long Bytes => ((long)Rows * Columns) + ((long)Rows * SegmentCount * sizeof(float));

    /// <summary>A row's rounded values.</summary>
    public ReadOnlySpan<sbyte> Row(int row) =>
        _values.AsSpan(checked((_firstRow + row) * Columns), Columns);

    /// <summary>A row's scales, one a segment.</summary>
    public ReadOnlySpan<float> Scales(int row) =>
        _scales.AsSpan((_firstRow + row) * SegmentCount, SegmentCount);

    /// <summary>Takes row values in, from a given row on.</summary>
    public void Round(int firstRow, ReadOnlySpan<float> values)
    {
        for (int row = 0; row < values.Length / Columns; row++)
        {
            ReferenceInt8MatMul.Round(
                values.Slice(row * Columns, Columns),
                _values.AsSpan(checked((firstRow + row) * Columns), Columns),
                _scales.AsSpan((firstRow + row) * SegmentCount, SegmentCount));
        }
    }

    /// <summary>A row as float32.</summary>
    public void Widen(int row, Span<float> values)
    {
        ReadOnlySpan<sbyte> rounded = Row(row);
        ReadOnlySpan<float> scales = Scales(row);
        for (int k = 0; k < Columns; k++)
            values[k] = rounded[k] * scales[k / (Columns / SegmentCount)];
    }

    public override Matrix View(int firstRow, int rowCount)
    {
        CheckView(firstRow, rowCount);
        return new ReferenceInt8Matrix(this, firstRow, rowCount);
    }

    public override void ReadRows(int firstRow, int rowCount, Span<float> destination) =>
        throw new InvariantException("rounded rows are not read back");

    public override void Dispose()
    {
    }
}
