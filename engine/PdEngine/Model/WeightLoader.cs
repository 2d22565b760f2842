namespace PdEngine;

/// <summary>
/// Copies weights from a checkpoint into a backend and remembers what it made, so that it can be undone.
/// </summary>
internal sealed class WeightLoader(ICheckpoint checkpoint, IBackend backend, IProgress<long>? progress)
    : IDisposable
{
    private readonly List<IDisposable> _loaded = [];
    private long _readBytes;

    public IReadOnlyList<IDisposable> Loaded => _loaded;

    /// <summary>Memory that everything loaded takes.</summary>
    public long HeldBytes { get; private set; }

    /// <summary>One matrix of the rows of several weights, one under the other.</summary>
    /// <param name="columns">Columns of each.</param>
    /// <param name="segmentCount">See <see cref="PdEngine.Matrix.SegmentCount"/>.</param>
    /// <param name="parts">Names, less <c>.weight</c>, and rows.</param>
    public Matrix Matrix(int columns, int segmentCount, params (string Name, int Rows)[] parts)
    {
        Matrix matrix = backend.LoadMatrix(
            RowsOf(parts), columns, segmentCount,
            (firstRow, rowCount, destination) => ReadRows(parts, columns, firstRow, rowCount, destination));
        Keep(matrix, matrix.Bytes, (long)matrix.Rows * columns);
        return matrix;
    }

    /// <summary>The biases that go with the same parts of a matrix, end to end [1, rows].</summary>
    public Tensor Bias(params (string Name, int Rows)[] parts)
    {
        Tensor bias = backend.CreateTensor(1, RowsOf(parts));
        Keep(bias, (long)bias.Stride * sizeof(float), bias.Columns);
        int start = 0;
        foreach ((string name, int rows) in parts)
        {
            checkpoint.Read(name + ".bias", 0, bias.Row(0).Slice(start, rows));
            start += rows;
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
        (string Name, int Rows)[] parts, int columns, int firstRow, int rowCount, Span<float> destination)
    {
        int partStart = 0;
        foreach ((string name, int rows) in parts)
        {
            int from = Math.Max(firstRow, partStart);
            int end = Math.Min(firstRow + rowCount, partStart + rows);
            if (from < end)
                checkpoint.Read(
                    name + ".weight", (long)(from - partStart) * columns,
                    destination.Slice((from - firstRow) * columns, (end - from) * columns));
            partStart += rows;
        }
    }

    private static int RowsOf((string Name, int Rows)[] parts)
    {
        int rows = 0;
        foreach ((_, int partRows) in parts)
            rows += partRows;
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
