namespace PdEngine.Bench;

/// <summary>Attention over a paged cache, a batch that decodes or a prompt.</summary>
internal static class AttentionKernels
{
    private const int PageSize = 64;
    private const int MostLayers = 64, MostPrefillLayers = 4;

    /// <summary>Batches of one query each.</summary>
    public static KernelGroup Decode(
        IBackend backend, string name, AttentionShape shape, int context, IReadOnlyList<int> batches)
    {
        (int, int, int)[] sizes = [.. batches.Select(batch => (batch, 1, context))];
        return Make(backend, name, shape, sizes, MostLayers);
    }

    /// <summary>Whole prompts, and a chunk after each context.</summary>
    public static KernelGroup Prefill(
        IBackend backend, string name, AttentionShape shape, IReadOnlyList<int> prompts, int chunkTokens,
        IReadOnlyList<int> contexts)
    {
        (int, int, int)[] sizes =
        [
            .. prompts.Select(tokens => (1, tokens, 0)),
            .. contexts.Select(context => (1, chunkTokens, context)),
        ];
        return Make(backend, name, shape, sizes, MostPrefillLayers);
    }

    private static KernelGroup Make(
        IBackend backend, string name, AttentionShape shape,
        (int Batch, int Queries, int Start)[] sizes, int mostLayers)
    {
        if (sizes.Length == 0)
            return new([], []);
        int positions = sizes.Max(size => size.Queries + size.Start);
        int sequences = sizes.Max(size => size.Batch);
        int layers = KernelGroup.CopiesOf(4.0 * sequences * positions * shape.KvColumns, mostLayers);
        KvLayout layout = KvLayout.GroupedQuery(
            layers, PageSize, shape.KvHeadCount, shape.HeadDim, backend.KvElement);
        int blocksEach = layout.BlocksFor(positions);
        KvStore store = backend.CreateKvStore(layout, sequences * blocksEach);
        Fill(backend, shape, store, sequences, positions, blocksEach);
        int rows = sizes.Max(size => size.Batch * size.Queries);
        Tensor qkv = backend.CreateTensor(rows, shape.QkvColumns);
        Tensor output = backend.CreateTensor(rows, shape.QueryColumns);
        TensorValues.Fill(qkv);
        int next = 0;
        List<KernelCase> cases = [];
        foreach ((int batch, int queries, int start) in sizes)
        {
            // A small batch goes round the sequences too, else its K and V would stay in a cache.
            AttentionBatch[] turns = new AttentionBatch[sequences / batch];
            for (int turn = 0; turn < turns.Length; turn++)
            {
                turns[turn] = new();
                for (int row = 0; row < batch; row++)
                {
                    int[] blocks = Blocks((turn * batch) + row, blocksEach);
                    turns[turn].Add(
                        row * queries, start, queries, blocks.AsSpan(0, layout.BlocksFor(start + queries)));
                }
            }
            cases.Add(new(
                "attention", $"{name} {shape.HeadCount}/{shape.KvHeadCount}/{shape.HeadDim}",
                queries == 1 ? "decode" : "prefill", batch, batch * queries, start,
                OpWork.AttentionFlops(shape, turns[0]), OpWork.AttentionBytes(shape, turns[0]),
                () =>
                {
                    qkv.SetRows(batch * queries);
                    output.SetRows(batch * queries);
                    next = (next + 1) % (layers * turns.Length);
                    backend.Attend(qkv, shape, store, next % layers, 0, turns[next / layers], output);
                }));
        }
        return new(cases, [store, qkv, output]);
    }

    /// <summary>Writes K and V into every layer: untouched memory would all be one cached page.</summary>
    private static void Fill(
        IBackend backend, AttentionShape shape, KvStore store, int sequences, int positions, int blocksEach)
    {
        float[] frequencies = new float[shape.HeadDim / 2];
        Array.Fill(frequencies, 0.01f);
        using RopeTable rope = new(frequencies, 1);
        using Tensor qkv = backend.CreateTensor(positions, shape.QkvColumns);
        TensorValues.Fill(qkv);
        AttentionBatch batch = new();
        for (int sequence = 0; sequence < sequences; sequence++)
        {
            batch.Clear();
            batch.Add(0, 0, positions, Blocks(sequence, blocksEach));
            for (int layer = 0; layer < store.Layout.LayerCount; layer++)
            {
                backend.RotateAndAppend(
                    qkv, shape, rope.Require(positions), null, null, 0, store, layer, batch);
            }
        }
    }

    private static int[] Blocks(int sequence, int count) => [.. Enumerable.Range(sequence * count, count)];
}
