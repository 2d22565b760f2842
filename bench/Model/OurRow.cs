namespace PdEngine.Bench;

/// <summary>A row of ours: a store with every sequence's context, and the batch that is run again and
/// again.</summary>
internal sealed class OurRow : IRowRun
{
    private const int PageSize = 64;
    private readonly IBackend _backend;
    private readonly ModelConfig _config;
    private readonly KvStore _store;
    private readonly Transformer _transformer;
    private readonly AttentionBatch _attention = new();
    private readonly int[] _ids;
    private readonly int[] _wanted;

    public OurRow(IBackend backend, ModelWeights weights, ModelRowSpec row)
    {
        _backend = backend;
        _config = weights.Config;
        KvLayout layout = KvLayout.GroupedQuery(
            _config.LayerCount, PageSize, _config.KvHeadCount, _config.HeadDim, backend.KvElement);
        int blocksEach = layout.BlocksFor(row.Positions);
        _store = backend.CreateKvStore(layout, row.Batch * blocksEach);
        _transformer = new(
            backend, weights, new KvRankHeads(_store, 0, _config.KvHeadCount), row.Tokens, group: null);
        FillContext(row, blocksEach);
        _attention.Clear();
        for (int sequence = 0; sequence < row.Batch; sequence++)
        {
            int count = sequence < row.DecodeRows ? 1 : row.ChunkTokens;
            _attention.Add(sequence, row.Context, count, Blocks(sequence, blocksEach));
        }
        _ids = [.. Enumerable.Range(0, row.Tokens).Select(i => (int)((i * 7919L) % _config.VocabularySize))];
        int[] decoded = [.. Enumerable.Range(0, Math.Min(row.DecodeRows, Transformer.LogitsRowCapacity))];
        _wanted = row.ChunkTokens > 0 ? [.. decoded, row.Tokens - 1] : decoded;
    }

    public void Prepare()
    {
    }

    public void Run()
    {
        _transformer.Run(_ids, _attention);
        _transformer.Logits(_wanted);
    }

    public void Dispose()
    {
        _backend.Rest();
        _transformer.Dispose();
        _store.Dispose();
    }

    /// <summary>
    /// Gives every sequence K and V to read: untouched memory would all be one cached page.
    /// </summary>
    private void FillContext(ModelRowSpec row, int blocksEach)
    {
        if (row.Context == 0)
            return;
        AttentionShape shape = new(_config.HeadCount, _config.KvHeadCount, _config.HeadDim);
        using RopeTable rope = new(_config.Rope.InverseFrequencies, _config.Rope.AttentionFactor);
        using Tensor qkv = _backend.CreateTensor(row.Context, shape.QkvColumns);
        for (int position = 0; position < row.Context; position++)
            TensorValues.Fill(qkv.Row(position), position);
        for (int sequence = 0; sequence < row.Batch; sequence++)
        {
            _attention.Clear();
            _attention.Add(
                0, 0, row.Context,
                Blocks(sequence, blocksEach).AsSpan(0, (row.Context + PageSize - 1) / PageSize));
            for (int layer = 0; layer < _config.LayerCount; layer++)
            {
                _backend.RotateAndAppend(
                    qkv, shape, rope.Require(row.Context), null, null, 0, _store, layer, _attention);
            }
        }
    }

    private static int[] Blocks(int sequence, int count) => [.. Enumerable.Range(sequence * count, count)];
}
