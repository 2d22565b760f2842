namespace PdEngine.Bench;

/// <summary>
/// A backend that times each op of another: what a step is made of, with the caches as the step leaves them.
/// Matrices tell apart by their shape.
/// </summary>
internal class TimedBackend(IBackend inner, OpClock clock) : IBackend
{
    public string Name => inner.Name;

    public KvElement KvElement => inner.KvElement;

    public MemoryDomain Memory => inner.Memory;

    public long FreeBytes => inner.FreeBytes;

    public void Begin(AttentionBatch batch, KvStore store, int tokenCount) =>
        inner.Begin(batch, store, tokenCount);

    public void End() => inner.End();

    public void Await(SampleBatch samples) => inner.Await(samples);

    public bool RunsAhead => inner.RunsAhead;

    public void Publish() => inner.Publish();

    public void Follow(IBackend other) => inner.Follow(other);

    public Tensor CreateTensor(int rowCapacity, int columns) => inner.CreateTensor(rowCapacity, columns);

    public KvStore CreateKvStore(KvLayout layout, int blockCount) => inner.CreateKvStore(layout, blockCount);

    public virtual Matrix LoadMatrix(
        int rows, int columns, int segmentCount, MatrixElement element, MatrixReader reader) =>
        inner.LoadMatrix(rows, columns, segmentCount, element, reader);

    public void ReloadMatrix(Matrix matrix, MatrixReader reader) => inner.ReloadMatrix(matrix, reader);

    public void Embed(Matrix table, ReadOnlySpan<int> tokenIds, Tensor output)
    {
        int[] ids = tokenIds.ToArray();
        clock.Time("embed", 0, 1.5 * OpWork.Bytes(output), () => inner.Embed(table, ids, output));
    }

    public void RmsNorm(Tensor input, Tensor weight, float epsilon, Tensor output) =>
        clock.Time(
            "rms_norm", 0, OpWork.Bytes(output) * 2, () => inner.RmsNorm(input, weight, epsilon, output));

    public void MatMul(Tensor input, Matrix weight, Tensor? bias, Tensor output) =>
        clock.Time(
            $"matmul {weight.Rows}x{weight.Columns}", OpWork.MatMulFlops(input.Rows, weight), weight.Bytes,
            () => inner.MatMul(input, weight, bias, output));

    public void MatMulAdd(Tensor input, Matrix weight, Tensor? bias, Tensor residual) =>
        clock.Time(
            $"matmul {weight.Rows}x{weight.Columns}", OpWork.MatMulFlops(input.Rows, weight), weight.Bytes,
            () => inner.MatMulAdd(input, weight, bias, residual));

    public void MatMulSwiGlu(Tensor input, Matrix weight, Tensor? bias, Tensor output) =>
        clock.Time(
            $"matmul {weight.Rows}x{weight.Columns}", OpWork.MatMulFlops(input.Rows, weight), weight.Bytes,
            () => inner.MatMulSwiGlu(input, weight, bias, output));

    public void AddPartials(
        ReadOnlySpan<Tensor> partials, Tensor? bias, Tensor residual, int firstColumn, int columnCount)
    {
        Tensor[] parts = partials.ToArray();
        clock.Time(
            "sum", 0, (parts.Length + 2) * OpWork.Bytes(residual),
            () => inner.AddPartials(parts, bias, residual, firstColumn, columnCount));
    }

    public void RotateAndAppend(
        Tensor qkv, AttentionShape shape, Tensor rope, Tensor? queryNorm, Tensor? keyNorm, float epsilon,
        KvStore store, int layer, AttentionBatch batch) =>
        clock.Time(
            "rope+append", 0, OpWork.AppendBytes(qkv.Rows, shape),
            () => inner.RotateAndAppend(
                qkv, shape, rope, queryNorm, keyNorm, epsilon, store, layer, batch));

    public void Attend(
        Tensor qkv, AttentionShape shape, KvStore store, int layer, int window, AttentionBatch batch,
        Tensor output) =>
        clock.Time(
            "attention", OpWork.AttentionFlops(shape, batch), OpWork.AttentionBytes(shape, batch),
            () => inner.Attend(qkv, shape, store, layer, window, batch, output));

    public void GatherRows(Tensor input, ReadOnlySpan<int> rows, Tensor output)
    {
        int[] indices = rows.ToArray();
        clock.Time("gather", 0, 2 * OpWork.Bytes(output), () => inner.GatherRows(input, indices, output));
    }

    public void Sample(Tensor logits, int firstLogitsRow, SampleBatch samples, int first, int count) =>
        clock.Time(
            "sample", 0, OpWork.Bytes(logits),
            () => inner.Sample(logits, firstLogitsRow, samples, first, count));

    public void Rest() => inner.Rest();

    /// <summary>Disposes of nothing: the backend is another's.</summary>
    public void Dispose()
    {
    }
}
