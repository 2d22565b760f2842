using System.Runtime.ExceptionServices;

namespace PdEngine;

/// <summary>
/// The oracle: plain C#, float32, weights exactly as the checkpoint has them, no native library. It is
/// written to be right and plain first; SIMD only makes a small real model bearable.
/// </summary>
/// <param name="threadCount">Most threads that one op uses, the caller's included.</param>
internal sealed class ReferenceBackend(int threadCount) : IBackend
{
    /// <summary>
    /// Multiply-adds from which an op is worth other threads. Below it an op runs on the caller's thread and
    /// allocates nothing.
    /// </summary>
    internal const long ParallelWork = 1 << 18;

    private const int LoadElements = 1 << 20;

    private readonly ParallelOptions _parallel = new() { MaxDegreeOfParallelism = Math.Max(1, threadCount) };
    private Tensor? _added;
    private Tensor? _gated;

    public string Name => "reference";

    public KvElement KvElement => KvElement.Float32;

    public Tensor CreateTensor(int rowCapacity, int columns) => new(rowCapacity, columns);

    public KvStore CreateKvStore(KvLayout layout, int blockCount) => new ReferenceKvStore(layout, blockCount);

    public Matrix LoadMatrix(
        int rows, int columns, int segmentCount, MatrixElement element, MatrixReader reader)
    {
        Check.That(segmentCount is 1 or 2 or 4 && columns % segmentCount == 0);
        Matrix matrix = element == MatrixElement.Int8
            ? new ReferenceInt8Matrix(rows, columns, segmentCount)
            : new ReferenceMatrix(rows, columns, segmentCount);
        try
        {
            ReloadMatrix(matrix, reader);
            return matrix;
        }
        catch
        {
            matrix.Dispose();
            throw;
        }
    }

    public void ReloadMatrix(Matrix matrix, MatrixReader reader)
    {
        (int rows, int columns) = (matrix.Rows, matrix.Columns);
        int rowsAtOnce = Math.Clamp(LoadElements / columns, 1, rows);
        if (matrix is ReferenceInt8Matrix rounded)
        {
            float[] values = new float[rowsAtOnce * columns];
            for (int first = 0; first < rows; first += rowsAtOnce)
            {
                int count = Math.Min(rowsAtOnce, rows - first);
                reader(first, count, values.AsSpan(0, count * columns));
                rounded.Round(first, values.AsSpan(0, count * columns));
            }
            return;
        }
        ReferenceMatrix plain = (ReferenceMatrix)matrix;
        try
        {
            Parallel.For(0, (rows + rowsAtOnce - 1) / rowsAtOnce, _parallel, part =>
            {
                int first = part * rowsAtOnce;
                int count = Math.Min(rowsAtOnce, rows - first);
                reader(first, count, plain.RowRange(first, count));
            });
        }
        catch (AggregateException faults)
        {
            ExceptionDispatchInfo.Throw(faults.InnerExceptions[0]);
        }
    }

    public void Embed(Matrix table, ReadOnlySpan<int> tokenIds, Tensor output)
    {
        Check.That(output.Rows == tokenIds.Length && output.Columns == table.Columns);
        if (table is ReferenceInt8Matrix rounded)
        {
            for (int index = 0; index < tokenIds.Length; index++)
                rounded.Widen(tokenIds[index], output.Row(index));
            return;
        }
        ReferenceMatrix rows = (ReferenceMatrix)table;
        for (int index = 0; index < tokenIds.Length; index++)
            rows.RowRange(tokenIds[index], 1).CopyTo(output.Row(index));
    }

    public void RmsNorm(Tensor input, Tensor weight, float epsilon, Tensor output)
    {
        Check.That(output.Rows == input.Rows && output.Columns == input.Columns);
        Check.That(weight.Columns == input.Columns);
        for (int row = 0; row < input.Rows; row++)
            ReferenceRows.Normalise(input.Row(row), weight.Row(0), epsilon, output.Row(row));
    }

    public void MatMul(Tensor input, Matrix weight, Tensor? bias, Tensor output)
    {
        Check.That(input.Columns == weight.Columns && output.Columns == weight.Rows);
        Check.That(output.Rows == input.Rows && (bias is null || bias.Columns == weight.Rows));
        if (weight is ReferenceInt8Matrix rounded)
        {
            MultiplyInt8(input, rounded, bias, output);
            return;
        }
        ReferenceMatMul.Product product = new(input, (ReferenceMatrix)weight, bias, output);
        if (IsWorthThreads((long)input.Rows * weight.Rows * weight.Columns))
        {
            MultiplyInParallel(product);
            return;
        }
        for (int panel = 0; panel < product.PanelCount; panel++)
            ReferenceMatMul.Panel(product, panel);
    }

    public void MatMulAdd(Tensor input, Matrix weight, Tensor? bias, Tensor residual)
    {
        Check.That(residual.Rows == input.Rows && residual.Columns == weight.Rows);
        Tensor product = Product(ref _added, input.Rows, weight.Rows);
        MatMul(input, weight, bias, product);
        for (int row = 0; row < residual.Rows; row++)
        {
            Span<float> sums = residual.Row(row);
            ReadOnlySpan<float> added = product.Row(row);
            for (int column = 0; column < sums.Length; column++)
                sums[column] += added[column];
        }
    }

    public void MatMulSwiGlu(Tensor input, Matrix weight, Tensor? bias, Tensor output)
    {
        GatedRows.CheckFits(input, weight, bias, output);
        Tensor product = Product(ref _gated, input.Rows, weight.Rows);
        MatMul(input, weight, bias, product);
        for (int row = 0; row < output.Rows; row++)
        {
            ReadOnlySpan<float> both = product.Row(row);
            Span<float> activated = output.Row(row);
            for (int column = 0; column < activated.Length; column += GatedRows.RunRows)
            {
                int count = Math.Min(GatedRows.RunRows, activated.Length - column);
                int gate = GatedRows.IndexOf(column);
                ReferenceRows.SwiGlu(
                    both.Slice(gate, count), both.Slice(gate + GatedRows.RunRows, count),
                    activated.Slice(column, count));
            }
        }
    }

    public void AddPartials(
        ReadOnlySpan<Tensor> partials, Tensor? bias, Tensor residual, int firstColumn, int columnCount)
    {
        residual.CheckSum(partials, bias, firstColumn, columnCount);
        for (int row = 0; row < residual.Rows; row++)
        {
            Span<float> sums = residual.Row(row);
            for (int column = firstColumn; column < firstColumn + columnCount; column++)
            {
                float sum = partials[0].Row(row)[column] + partials[1].Row(row)[column];
                if (partials.Length == 4)
                    sum += partials[2].Row(row)[column] + partials[3].Row(row)[column];
                sums[column] += bias is null ? sum : sum + bias.Row(0)[column];
            }
        }
    }

    public void RotateAndAppend(
        Tensor qkv, AttentionShape shape, Tensor rope, Tensor? queryNorm, Tensor? keyNorm, float epsilon,
        KvStore store, int layer, AttentionBatch batch)
    {
        Check.That(qkv.Columns == shape.QkvColumns && rope.Columns == shape.HeadDim);
        shape.CheckFits(store.Layout);
        ReferenceKvStore blocks = (ReferenceKvStore)store;
        int page = store.Layout.PageSize;
        ReadOnlySpan<float> queryWeight = queryNorm is null ? default : queryNorm.Row(0);
        ReadOnlySpan<float> keyWeight = keyNorm is null ? default : keyNorm.Row(0);
        foreach (AttentionSlice slice in batch.Slices)
        {
            for (int index = 0; index < slice.QueryCount; index++)
            {
                int position = slice.Start + index;
                int block = batch.Blocks[slice.FirstBlock + (position / page)];
                blocks.Require(block);
                ReferenceAttention.Append(
                    qkv.Row(slice.FirstToken + index), shape, rope.Row(position), queryWeight, keyWeight,
                    epsilon, blocks, layer, block, position % page);
            }
        }
    }

    public void Attend(
        Tensor qkv, AttentionShape shape, KvStore store, int layer, int window, AttentionBatch batch,
        Tensor output)
    {
        Check.That(qkv.Columns == shape.QkvColumns && output.Columns == shape.QueryColumns);
        Check.That(output.Rows == qkv.Rows);
        shape.CheckFits(store.Layout);
        ReferenceAttention.Layer operands =
            new(qkv, shape, (ReferenceKvStore)store, layer, window, batch, output);
        long work = 0;
        foreach (AttentionSlice slice in batch.Slices)
            work += (long)slice.QueryCount * (slice.Start + slice.QueryCount) * shape.QueryColumns * 2;
        if (IsWorthThreads(work))
        {
            AttendInParallel(operands);
            return;
        }
        for (int token = 0; token < qkv.Rows; token++)
            ReferenceAttention.Token(operands, token);
    }

    public void GatherRows(Tensor input, ReadOnlySpan<int> rows, Tensor output) =>
        output.CopyRows(input, rows);

    public void Sample(Tensor logits, int firstLogitsRow, SampleBatch samples, int first, int count) =>
        ReferenceSampler.Sample(logits, firstLogitsRow, samples, first, count);

    public void Rest()
    {
    }

    public void Dispose()
    {
        _added?.Dispose();
        _gated?.Dispose();
    }

    /// <summary>Working memory of one use, made anew only where it does not fit.</summary>
    private static Tensor Product(ref Tensor? memory, int rows, int columns)
    {
        if (memory is null || memory.Columns != columns || memory.RowCapacity < rows)
        {
            memory?.Dispose();
            memory = new(rows, columns);
        }
        memory.SetRows(rows);
        return memory;
    }

    private bool IsWorthThreads(long work) => _parallel.MaxDegreeOfParallelism > 1 && work >= ParallelWork;

    // Apart from their callers, so that a small op does not pay for the closure.
    private void MultiplyInParallel(ReferenceMatMul.Product product) =>
        Parallel.For(0, product.PanelCount, _parallel, panel => ReferenceMatMul.Panel(product, panel));

    private void MultiplyInt8(Tensor input, ReferenceInt8Matrix weight, Tensor? bias, Tensor output) =>
        Parallel.For(
            0, input.Rows, _parallel, row => ReferenceInt8MatMul.Row(input, weight, bias, output, row));

    private void AttendInParallel(ReferenceAttention.Layer operands) =>
        Parallel.For(0, operands.Qkv.Rows, _parallel, token => ReferenceAttention.Token(operands, token));
}
