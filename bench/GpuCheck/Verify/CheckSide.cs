namespace PdEngine.Bench;

/// <summary>A backend with tensors and weights of given values: the same ops run on the GPU and on the
/// reference.</summary>
internal sealed class CheckSide(IBackend backend) : IDisposable
{
    private const int PageSize = 16;

    private readonly List<IDisposable> _owned = [];

    public IBackend Backend => backend;

    /// <param name="rows">Rows, and most rows.</param>
    /// <param name="columns">Columns.</param>
    /// <param name="values">[rows, columns]; none leaves it unset.</param>
    /// <param name="isHalf">Only products read it; its values are exact in bf16.</param>
    public Tensor Tensor(int rows, int columns, ReadOnlySpan<float> values, bool isHalf = false)
    {
        Tensor tensor = Own(backend.CreateTensor(rows, columns));
        tensor.SetRows(rows);
        for (int row = 0; row < rows && values.Length > 0; row++)
        {
            ReadOnlySpan<float> own = values.Slice(row * columns, columns);
            if (isHalf && tensor.Memory is CudaTensorMemory memory)
                memory.WriteHalf((long)row * tensor.Stride, own);
            else
                tensor.WriteRow(row, own);
        }
        return tensor;
    }

    public Matrix Matrix(int rows, int columns, int segments, float[] values) =>
        Own(backend.LoadMatrix(
            rows, columns, segments, MatrixElement.Native,
            (first, count, target) => values.AsSpan(first * columns, count * columns).CopyTo(target)));

    public KvStore Store(KvLayout layout, int blocks) => Own(backend.CreateKvStore(layout, blocks));

    /// <summary>Runs ops over so many tokens as a batch.</summary>
    public void Batch(int tokens, Action ops)
    {
        KvStore store = Store(
            KvLayout.GroupedQuery(1, PageSize, 1, 16, backend.KvElement), (tokens / PageSize) + 1);
        AttentionBatch batch = new();
        batch.Add(0, 0, tokens, [.. Enumerable.Range(0, store.Layout.BlocksFor(tokens))]);
        backend.Begin(batch, store, tokens);
        ops();
        backend.End();
    }

    /// <summary>All rows of a tensor, one after the other.</summary>
    public static float[] Read(Tensor tensor)
    {
        float[] values = new float[tensor.Rows * tensor.Columns];
        for (int row = 0; row < tensor.Rows; row++)
            tensor.ReadRow(row, 0, values.AsSpan(row * tensor.Columns, tensor.Columns));
        return values;
    }

    public T Own<T>(T made)
        where T : IDisposable
    {
        _owned.Add(made);
        return made;
    }

    public void Dispose()
    {
        for (int i = _owned.Count - 1; i >= 0; i--)
            _owned[i].Dispose();
    }
}
