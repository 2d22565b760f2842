namespace PdEngine.Tests;

/// <summary>
/// Another backend, with every op counted, every logits row that is sampled kept, and a hook to spoil an op.
/// </summary>
internal sealed class ProbedBackend(IBackend inner) : IBackend
{
    /// <summary>Called before each op with its number, from 0.</summary>
    public Action<int>? BeforeOp { get; set; }

    public int OpCount { get; set; }

    public int RestCount { get; private set; }

    /// <summary>The thread that called last.</summary>
    public int ThreadId { get; private set; }

    /// <summary>Rows given to <see cref="Sample"/>, in order.</summary>
    public List<float[]> Logits { get; } = [];

    /// <summary>Whether they are kept.</summary>
    public bool KeepsLogits { get; set; } = true;

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

    public void ReloadMatrix(Matrix matrix, MatrixReader reader) => inner.ReloadMatrix(matrix, reader);

    public Matrix LoadMatrix(
        int rows, int columns, int segmentCount, MatrixElement element, MatrixReader reader) =>
        inner.LoadMatrix(rows, columns, segmentCount, element, reader);

    public void Embed(Matrix table, ReadOnlySpan<int> tokenIds, Tensor output)
    {
        Count();
        inner.Embed(table, tokenIds, output);
    }

    public void RmsNorm(Tensor input, Tensor weight, float epsilon, Tensor output)
    {
        Count();
        inner.RmsNorm(input, weight, epsilon, output);
    }

    public void MatMul(Tensor input, Matrix weight, Tensor? bias, Tensor output)
    {
        Count();
        inner.MatMul(input, weight, bias, output);
    }

    public void MatMulAdd(Tensor input, Matrix weight, Tensor? bias, Tensor residual)
    {
        Count();
        inner.MatMulAdd(input, weight, bias, residual);
    }

    public void MatMulSwiGlu(Tensor input, Matrix weight, Tensor? bias, Tensor output)
    {
        Count();
        inner.MatMulSwiGlu(input, weight, bias, output);
    }

    public void AddPartials(
        ReadOnlySpan<Tensor> partials, Tensor? bias, Tensor residual, int firstColumn, int columnCount)
    {
        Count();
        inner.AddPartials(partials, bias, residual, firstColumn, columnCount);
    }

    public void RotateAndAppend(
        Tensor qkv, AttentionShape shape, Tensor rope, Tensor? queryNorm, Tensor? keyNorm, float epsilon,
        KvStore store, int layer, AttentionBatch batch)
    {
        Count();
        inner.RotateAndAppend(qkv, shape, rope, queryNorm, keyNorm, epsilon, store, layer, batch);
    }

    public void Attend(
        Tensor qkv, AttentionShape shape, KvStore store, int layer, int window, AttentionBatch batch,
        Tensor output)
    {
        Count();
        inner.Attend(qkv, shape, store, layer, window, batch, output);
    }

    public void GatherRows(Tensor input, ReadOnlySpan<int> rows, Tensor output)
    {
        Count();
        inner.GatherRows(input, rows, output);
    }

    public void Sample(Tensor logits, int firstLogitsRow, SampleBatch samples, int first, int count)
    {
        Count();
        for (int row = 0; KeepsLogits && row < logits.Rows; row++)
            Logits.Add(logits.Row(row).ToArray());
        inner.Sample(logits, firstLogitsRow, samples, first, count);
    }

    public void Rest()
    {
        RestCount++;
        ThreadId = Environment.CurrentManagedThreadId;
        inner.Rest();
    }

    public void Dispose() => inner.Dispose();

    private void Count()
    {
        ThreadId = Environment.CurrentManagedThreadId;
        BeforeOp?.Invoke(OpCount++);
    }
}
