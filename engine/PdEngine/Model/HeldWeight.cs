namespace PdEngine;

/// <summary>What lies in one matrix or vector that a backend holds: parts of tensors, end to end.</summary>
/// <param name="Matrix">Rows of several weights, one under the other; or null.</param>
/// <param name="Vector">Elements of several biases, end to end; or null.</param>
/// <param name="Columns">Of each weight; of a vector, one.</param>
/// <param name="Parts">
/// Which rows of which tensors, by their whole names; zeros where there is no name.
/// </param>
internal sealed record HeldWeight(Matrix? Matrix, Tensor? Vector, WeightColumns Columns, WeightPart[] Parts)
{
    /// <summary>Takes the values of a checkpoint in, in place.</summary>
    public void Reload(ICheckpoint checkpoint, IBackend backend)
    {
        if (Matrix is not null)
            backend.ReloadMatrix(Matrix, (first, count, values) => Read(checkpoint, first, count, values));
        else
        {
            float[] values = new float[Vector!.Columns];
            Read(checkpoint, 0, values.Length, values);
            Vector.WriteRow(0, values);
        }
    }

    /// <summary>Reads held rows [first, first + count) from where they come.</summary>
    public void Read(ICheckpoint checkpoint, int firstRow, int rowCount, Span<float> destination)
    {
        int partStart = 0;
        foreach (WeightPart part in Parts)
        {
            int from = Math.Max(firstRow, partStart);
            int end = Math.Min(firstRow + rowCount, partStart + part.Rows);
            if (from < end)
            {
                WeightPart rows = new(part.Name, part.FirstRow + from - partStart, end - from);
                int start = (from - firstRow) * Columns.Count;
                ReadPart(checkpoint, rows, destination.Slice(start, rows.Rows * Columns.Count));
            }
            partStart += part.Rows;
        }
    }

    /// <summary>Held rows [first, first + count), row-major.</summary>
    public void ReadHeld(int firstRow, int rowCount, Span<float> destination)
    {
        if (Matrix is not null)
            Matrix.ReadRows(firstRow, rowCount, destination);
        else
            Vector!.ReadRow(0, firstRow, destination[..rowCount]);
    }

    private void ReadPart(ICheckpoint checkpoint, WeightPart part, Span<float> destination)
    {
        if (part.Name.Length == 0)
        {
            destination.Clear();
            return;
        }
        long first = ((long)part.FirstRow * Columns.Total) + Columns.First;
        if (Columns.Count == Columns.Total)
        {
            checkpoint.Read(part.Name, first, destination);
            return;
        }
        for (int row = 0; row < part.Rows; row++, first += Columns.Total)
            checkpoint.Read(part.Name, first, destination.Slice(row * Columns.Count, Columns.Count));
    }
}
