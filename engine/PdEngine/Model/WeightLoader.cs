namespace PdEngine;

/// <summary>
/// Copies weights from a checkpoint into a backend and remembers what it made, so that it can be undone.
/// </summary>
/// <param name="checkpoint">Where they are.</param>
/// <param name="backend">Where they go.</param>
/// <param name="progress">Hears the bytes read.</param>
/// <param name="element">Of matrices where nothing else is asked for.</param>
internal sealed class WeightLoader(
    ICheckpoint checkpoint, IBackend backend, IProgress<long>? progress,
    MatrixElement element = MatrixElement.Native) : IDisposable
{
    private readonly List<IDisposable> _loaded = [];
    private long _readBytes;

    public IReadOnlyList<IDisposable> Loaded => _loaded;

    /// <summary>Memory that everything loaded takes.</summary>
    public long HeldBytes { get; private set; }

    /// <summary>One matrix of the rows of several weights, one under the other.</summary>
    /// <param name="columns">Of each.</param>
    /// <param name="segmentCount">See <see cref="PdEngine.Matrix.SegmentCount"/>.</param>
    /// <param name="parts">Which rows of which weights.</param>
    public Matrix Matrix(WeightColumns columns, int segmentCount, params WeightPart[] parts) =>
        Matrix(element, columns, segmentCount, parts);

    /// <summary>The same, of another element.</summary>
    /// <inheritdoc cref="Matrix(WeightColumns, int, WeightPart[])" path="/param"/>
    public Matrix Matrix(
        MatrixElement own, WeightColumns columns, int segmentCount, params WeightPart[] parts)
    {
        Matrix matrix = backend.LoadMatrix(
            RowsOf(parts), columns.Count, segmentCount, own,
            (firstRow, rowCount, destination) => ReadRows(parts, columns, firstRow, rowCount, destination));
        Keep(matrix, matrix.Bytes, (long)matrix.Rows * columns.Count);
        return matrix;
    }

    /// <summary>The biases that go with the same parts of a matrix, end to end [1, rows].</summary>
    public Tensor Bias(params WeightPart[] parts)
    {
        Tensor bias = backend.CreateTensor(1, RowsOf(parts));
        Keep(bias, (long)bias.Stride * sizeof(float), bias.Columns);
        int start = 0;
        foreach (WeightPart part in parts)
        {
            checkpoint.Read(part.Name + ".bias", part.FirstRow, bias.Row(0).Slice(start, part.Rows));
            start += part.Rows;
        }
        return bias;
    }

    /// <summary>A tensor of one dimension [1, length].</summary>
    public Tensor Vector(int length, string name)
    {
        Tensor vector = backend.CreateTensor(1, length);
        Keep(vector, (long)vector.Stride * sizeof(float), length);
        checkpoint.Read(name, 0, vector.Row(0));
        return vector;
    }

    public void Dispose()
    {
        foreach (IDisposable weight in _loaded)
            weight.Dispose();
    }

    private void ReadRows(
        WeightPart[] parts, WeightColumns columns, int firstRow, int rowCount, Span<float> destination)
    {
        int partStart = 0;
        foreach (WeightPart part in parts)
        {
            int from = Math.Max(firstRow, partStart);
            int end = Math.Min(firstRow + rowCount, partStart + part.Rows);
            if (from < end)
            {
                WeightPart rows = new(part.Name + ".weight", part.FirstRow + from - partStart, end - from);
                int start = (from - firstRow) * columns.Count;
                ReadPart(rows, columns, destination.Slice(start, rows.Rows * columns.Count));
            }
            partStart += part.Rows;
        }
    }

    private void ReadPart(WeightPart part, WeightColumns columns, Span<float> destination)
    {
        long first = ((long)part.FirstRow * columns.Total) + columns.First;
        if (columns.Count == columns.Total)
        {
            checkpoint.Read(part.Name, first, destination);
            return;
        }
        for (int row = 0; row < part.Rows; row++, first += columns.Total)
            checkpoint.Read(part.Name, first, destination.Slice(row * columns.Count, columns.Count));
    }

    private static int RowsOf(WeightPart[] parts)
    {
        int rows = 0;
        foreach (WeightPart part in parts)
            rows += part.Rows;
        return rows;
    }

    private void Keep(IDisposable weight, long heldBytes, long elements)
    {
        _loaded.Add(weight);
        HeldBytes += heldBytes;
        _readBytes += elements * sizeof(float);
        progress?.Report(_readBytes);
    }
}
