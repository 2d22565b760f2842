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
    private readonly List<HeldWeight> _held = [];
    private long _readBytes;

    public IReadOnlyList<IDisposable> Loaded => _loaded;

    /// <summary>Which tensors lie in what was loaded.</summary>
    public IReadOnlyList<HeldWeight> Held => _held;

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
        // A product whose inputs no ranks share has no segments of its own; ranks that share them have.
        if (own == MatrixElement.Int8 && segmentCount == 1 && columns.Count == columns.Total)
            segmentCount = Int8Quantization.SegmentsOf(columns.Count);
        HeldWeight held = new(null, null, columns, Named(parts, ".weight"));
        Matrix matrix = backend.LoadMatrix(
            RowsOf(parts), columns.Count, segmentCount, own,
            (firstRow, rowCount, values) => held.Read(checkpoint, firstRow, rowCount, values));
        Keep(held with { Matrix = matrix }, matrix, matrix.Bytes, (long)matrix.Rows * columns.Count);
        return matrix;
    }

    /// <summary>One matrix of gate and up, in the order of <see cref="GatedRows"/>.</summary>
    /// <param name="columns">Of each.</param>
    /// <param name="gate">Rows of it.</param>
    /// <param name="up">As many rows.</param>
    public Matrix GatedMatrix(WeightColumns columns, WeightPart gate, WeightPart up)
    {
        HeldWeight held = new(null, null, columns, Gated(gate, up, ".weight"));
        Matrix matrix = backend.LoadMatrix(
            GatedRows.CountOf(gate.Rows), columns.Count, 1, element,
            (firstRow, rowCount, values) => held.Read(checkpoint, firstRow, rowCount, values));
        Keep(held with { Matrix = matrix }, matrix, matrix.Bytes, 2L * gate.Rows * columns.Count);
        return matrix;
    }

    /// <summary>Their biases, in the same order.</summary>
    public Tensor GatedBias(WeightPart gate, WeightPart up) =>
        Vector(2L * gate.Rows, Gated(gate, up, ".bias"));

    /// <summary>The biases that go with the same parts of a matrix, end to end [1, rows].</summary>
    public Tensor Bias(params WeightPart[] parts) => Vector(Named(parts, ".bias"));

    /// <summary>A tensor of one dimension [1, length].</summary>
    public Tensor Vector(int length, string name) => Vector(new WeightPart(name, 0, length));

    public void Dispose()
    {
        foreach (IDisposable weight in _loaded)
            weight.Dispose();
    }

    private Tensor Vector(params WeightPart[] parts) => Vector(RowsOf(parts), parts);

    private Tensor Vector(long elements, WeightPart[] parts)
    {
        Tensor vector = backend.CreateTensor(1, RowsOf(parts));
        HeldWeight held = new(null, vector, WeightColumns.All(1), parts);
        Keep(held, vector, (long)vector.Stride * sizeof(float), elements);
        held.Reload(checkpoint, backend);
        return vector;
    }

    private static WeightPart[] Named(WeightPart[] parts, string suffix) =>
        [.. parts.Select(part => part with { Name = part.Name + suffix })];

    /// <summary>Runs of gate and of up by turns; what is past their last row has no name.</summary>
    private static WeightPart[] Gated(WeightPart gate, WeightPart up, string suffix)
    {
        Check.That(gate.Rows == up.Rows);
        List<WeightPart> parts = [];
        for (int first = 0; first < gate.Rows; first += GatedRows.RunRows)
        {
            int count = Math.Min(GatedRows.RunRows, gate.Rows - first);
            foreach (WeightPart part in (ReadOnlySpan<WeightPart>)[gate, up])
            {
                parts.Add(new(part.Name + suffix, part.FirstRow + first, count));
                if (count < GatedRows.RunRows)
                    parts.Add(new("", 0, GatedRows.RunRows - count));
            }
        }
        int rows = RowsOf([.. parts]);
        if (rows < GatedRows.CountOf(gate.Rows))
            parts.Add(new("", 0, GatedRows.CountOf(gate.Rows) - rows));
        return [.. parts];
    }

    private static int RowsOf(WeightPart[] parts)
    {
        int rows = 0;
        foreach (WeightPart part in parts)
            rows += part.Rows;
        return rows;
    }

    private void Keep(HeldWeight held, IDisposable weight, long heldBytes, long elements)
    {
        _held.Add(held);
        _loaded.Add(weight);
        HeldBytes += heldBytes;
        _readBytes += elements * sizeof(float);
        progress?.Report(_readBytes);
    }
}
