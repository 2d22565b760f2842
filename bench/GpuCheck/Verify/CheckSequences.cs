namespace PdEngine.Bench;

/// <summary>
/// Sequences with queries, keys and values of their own in a paged store, and batches of any make-up over
/// them. Blocks are shuffled, and what nobody wrote is NaN.
/// </summary>
internal sealed class CheckSequences
{
    private const int PageSize = 16;

    private readonly CheckSide _side;
    private readonly AttentionShape _shape;
    private readonly int _window;
    private readonly int _seed;
    private readonly KvStore _store;
    private readonly Tensor _rope;
    private readonly Tensor _qkv;
    private readonly Tensor _output;
    private readonly int[][] _blocks;
    private readonly AttentionBatch _batch = new();

    /// <param name="side">Computes.</param>
    /// <param name="shape">Heads.</param>
    /// <param name="lengths">Of each sequence.</param>
    /// <param name="mostTokens">Most tokens of a batch.</param>
    /// <param name="window">See <see cref="IBackend.Attend"/>.</param>
    /// <param name="seed">Of all values.</param>
    public CheckSequences(
        CheckSide side, AttentionShape shape, IReadOnlyList<int> lengths, int mostTokens, int window,
        int seed)
    {
        (_side, _shape, _window, _seed) = (side, shape, window, seed);
        KvLayout layout = KvLayout.GroupedQuery(
            1, PageSize, shape.KvHeadCount, shape.HeadDim, side.Backend.KvElement);
        int count = lengths.Sum(layout.BlocksFor);
        _store = side.Store(layout, count);
        if (_store is CudaKvStore own)
        {
            own.Lane.Gpu.Run(
                () => own.Lane.Stream.Fill(own.Pool.First, 0xff, layout.BlockBytes * (count + 1)));
        }
        int[] ids = [.. Enumerable.Range(0, count)];
        new Random(seed).Shuffle(ids);
        _blocks = new int[lengths.Count][];
        for (int i = 0, first = 0; i < lengths.Count; first += _blocks[i].Length, i++)
            _blocks[i] = ids[first..(first + layout.BlocksFor(lengths[i]))];
        int capacity = (int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)mostTokens);
        _rope = Rope(side, shape.HeadDim, lengths.Max());
        _qkv = side.Tensor(capacity, shape.QkvColumns, []);
        _output = side.Tensor(capacity, shape.QueryColumns, []);
    }

    /// <summary>Outputs [tokens, query columns] of slices of sequences; their K and V are written.</summary>
    public float[] Run(params IReadOnlyList<(int Sequence, int Start, int Count)> slices)
    {
        int tokens = slices.Sum(slice => slice.Count);
        _qkv.SetRows(tokens);
        _output.SetRows(tokens);
        _batch.Clear();
        int columns = _shape.QkvColumns, token = 0;
        float[] values = new float[tokens * columns];
        foreach ((int sequence, int start, int count) in slices)
        {
            _batch.Add(
                token, start, count,
                _blocks[sequence].AsSpan(0, _store.Layout.BlocksFor(start + count)));
            for (int i = 0; i < count; i++, token++)
                Values(values.AsSpan(token * columns, columns), sequence, start + i);
        }
        Write(values);
        IBackend backend = _side.Backend;
        backend.Begin(_batch, _store, tokens);
        backend.RotateAndAppend(_qkv, _shape, _rope, null, null, 1e-6f, _store, 0, _batch);
        backend.Attend(_qkv, _shape, _store, 0, _window, _batch, _output);
        backend.End();
        Publish();
        return CheckSide.Read(_output);
    }

    private void Write(float[] values)
    {
        if (_qkv.Stride == _qkv.Columns)
        {
            _qkv.Memory.Write(0, values);
            return;
        }
        for (int row = 0; row < _qkv.Rows; row++)
            _qkv.WriteRow(row, values.AsSpan(row * _qkv.Columns, _qkv.Columns));
    }

    // Launches may still be held back, for a graph.
    private void Publish()
    {
        if (_side.Backend is CudaBackend cuda)
            cuda.Lane.Gpu.Run(cuda.Lane.Stream.Synchronize);
    }

    /// <summary>A row that depends on its sequence and position alone.</summary>
    private void Values(Span<float> row, int sequence, int position)
    {
        ulong state = (((ulong)(uint)_seed << 44) ^ ((ulong)(uint)sequence << 24) ^ (uint)position)
            * 0xD6E8FEB86659FD93;
        for (int i = 0; i < row.Length; i++)
        {
            state += 0x9E3779B97F4A7C15;
            row[i] = CheckMemory.NormalOf(state);
        }
    }

    private static Tensor Rope(CheckSide side, int headDim, int positions)
    {
        float[] table = new float[positions * headDim];
        for (int position = 0; position < positions; position++)
        {
            for (int pair = 0; pair < headDim / 2; pair++)
            {
                double angle = position * Math.Pow(1e6, -2.0 * pair / headDim);
                table[(position * headDim) + pair] = (float)Math.Cos(angle);
                table[(position * headDim) + (headDim / 2) + pair] = (float)Math.Sin(angle);
            }
        }
        return side.Tensor(positions, headDim, table);
    }
}
