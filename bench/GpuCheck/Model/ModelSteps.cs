using System.Numerics;

namespace PdEngine.Bench;

/// <summary>
/// One row's batch on one backend, ready to be run again and again: the layers and the logits, and where it
/// is asked for the draws.
/// </summary>
internal sealed class ModelSteps : IDisposable
{
    private const int PageSize = 64;

    private readonly IBackend _backend;
    private readonly KvStore _store;
    private readonly Transformer _transformer;
    private readonly AttentionBatch _attention = new();
    private readonly SampleBatch[] _samples = [new(), new()];
    private readonly int[] _ids;
    private readonly int[] _wanted;

    public ModelSteps(CheckRig rig, IBackend backend, ModelWeights weights, ModelRowSpec row)
    {
        ModelConfig config = weights.Config;
        _backend = backend;
        KvLayout layout = LayoutOf(config);
        int blocksEach = layout.BlocksFor(row.Positions);
        _store = backend.CreateKvStore(layout, row.Batch * blocksEach);
        // A decode batch is padded to a power of two.
        int capacity = (int)BitOperations.RoundUpToPowerOf2((uint)row.Tokens);
        _transformer = new(backend, weights, new KvRankHeads(_store, 0, config.KvHeadCount), capacity, null);
        using (CheckMemory memory = new(rig))
            memory.Fill(((CudaKvStore)_store).Pool.First, layout.BlockBytes * _store.BlockCount);
        int[] blocks = [.. Enumerable.Range(0, _store.BlockCount)];
        new Random(row.Tokens).Shuffle(blocks);
        for (int sequence = 0; sequence < row.Batch; sequence++)
        {
            _attention.Add(
                sequence, row.Context, sequence < row.DecodeRows ? 1 : row.ChunkTokens,
                blocks.AsSpan(sequence * blocksEach, blocksEach));
        }
        _ids = [.. Enumerable.Range(0, row.Tokens).Select(i => (int)((i * 7919L) % config.VocabularySize))];
        _wanted = row.ChunkTokens > 0 ? [row.Tokens - 1] : [.. Enumerable.Range(0, row.DecodeRows)];
        foreach (SampleBatch samples in _samples)
            AddDraws(samples, row.Context);
    }

    /// <summary>Memory of the K and V of a row.</summary>
    public static long KvBytes(ModelConfig config, ModelRowSpec row)
    {
        KvLayout layout = LayoutOf(config);
        return layout.BlockBytes * layout.BlocksFor(row.Positions) * row.Batch;
    }

    /// <summary>Puts a step on the stream, without its draws.</summary>
    public void Run()
    {
        _transformer.Run(_ids, _attention);
        for (int first = 0; first < _wanted.Length; first += Transformer.LogitsRowCapacity)
            LogitsFrom(first);
        _backend.End();
    }

    /// <summary>Puts a step on the stream, with its draws.</summary>
    /// <param name="turn">Draws of an even and an odd turn may be awaited apart.</param>
    public void Draw(int turn)
    {
        _transformer.Run(_ids, _attention);
        for (int first = 0; first < _wanted.Length; first += Transformer.LogitsRowCapacity)
        {
            Tensor logits = LogitsFrom(first);
            _backend.Sample(logits, first, _samples[turn & 1], first, logits.Rows);
        }
        _backend.End();
    }

    /// <summary>Waits for what was drawn.</summary>
    public void Await(int turn) => _backend.Await(_samples[turn & 1]);

    public void Dispose()
    {
        _transformer.Dispose();
        _store.Dispose();
    }

    private void AddDraws(SampleBatch samples, int position)
    {
        for (int i = 0; i < _wanted.Length; i++)
        {
            samples.Add(
                new SampleRow
                {
                    LogitsRow = i, Seed = (ulong)i, Position = position, Target = -1, Temperature = 1,
                    TopP = 1, TopK = -1, RepetitionPenalty = 1,
                },
                [], [], [], []);
        }
    }

    private Tensor LogitsFrom(int first) => _transformer.Logits(
        _wanted.AsSpan(first, Math.Min(Transformer.LogitsRowCapacity, _wanted.Length - first)));

    private static KvLayout LayoutOf(ModelConfig config) => KvLayout.GroupedQuery(
        config.LayerCount, PageSize, config.KvHeadCount, config.HeadDim, KvElement.BFloat16);
}
