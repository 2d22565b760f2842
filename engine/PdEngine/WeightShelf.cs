namespace PdEngine;

/// <summary>
/// The weights of an engine, one set for each checkpoint, quantisation and number of ranks, shared
/// by every worker that has the same; embedding and head are the same for any number of ranks.
/// </summary>
internal sealed class WeightShelf(IBackend backend) : IDisposable
{
    private readonly Dictionary<(WeightSource Source, int RankCount), ModelWeights[]> _sets = [];
    private readonly List<ModelWeights> _loaded = [];

    /// <summary>Bytes that loading a model reads, counted as float32.</summary>
    public static long LoadBytes(OpenedModel model)
    {
        long bytes = 0;
        foreach (int count in model.RankCounts)
        {
            for (int rank = 0; rank < count; rank++)
                bytes += ModelWeights.LoadBytes(
                    model.Checkpoint.Config, new WeightShard(rank, count), sharesTables: bytes > 0);
        }
        return bytes;
    }

    /// <summary>Loads every shard that a model's workers need and that is not here yet.</summary>
    public void Load(OpenedModel model, LoadMeter meter)
    {
        foreach (int count in model.RankCounts)
        {
            if (_sets.ContainsKey((model.Weights, count)))
                continue;
            ModelWeights? tables = _sets.FirstOrDefault(set => set.Key.Source == model.Weights).Value?[0];
            ModelWeights[] shards = new ModelWeights[count];
            for (int rank = 0; rank < count; rank++)
            {
                shards[rank] = ModelWeights.Load(
                    model.Checkpoint, backend, meter, new WeightShard(rank, count), tables,
                    model.Weights.Quantization);
                _loaded.Add(shards[rank]);
                tables ??= shards[rank];
                meter.NextPart();
            }
            _sets.Add((model.Weights, count), shards);
        }
    }

    /// <summary>The shards of a model, by rank.</summary>
    public IReadOnlyList<ModelWeights> Shards(OpenedModel model, int rankCount) =>
        _sets[(model.Weights, rankCount)];

    /// <summary>Memory that a model's weights take.</summary>
    public long BytesOf(OpenedModel model) =>
        _sets.Where(set => set.Key.Source == model.Weights).Sum(set => set.Value.Sum(shard => shard.Bytes));

    public void Dispose()
    {
        // Tables are owned by the first loaded and used by the rest.
        for (int i = _loaded.Count - 1; i >= 0; i--)
            _loaded[i].Dispose();
    }
}
