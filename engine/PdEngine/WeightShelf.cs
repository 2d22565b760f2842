namespace PdEngine;

/// <summary>
/// The weights that an engine starts with: one set for each checkpoint and quantisation, shared by services
/// until they take others.
/// </summary>
internal sealed class WeightShelf(IBackend backend) : IDisposable
{
    private readonly Dictionary<WeightSource, WeightSet> _sets = [];

    /// <summary>What weights are loaded into; loading may run beside its ops.</summary>
    public IBackend Backend => backend;

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
        if (!_sets.TryGetValue(model.Weights, out WeightSet? set))
            _sets.Add(model.Weights, set = new(model.Weights.Quantization));
        foreach (int count in model.RankCounts)
            set.Load(count, model.Checkpoint, backend, meter, meter.NextPart);
    }

    /// <summary>A service's weights, which it uses from now on.</summary>
    public WeightSet Take(OpenedModel model)
    {
        WeightSet set = _sets[model.Weights];
        set.AddUser();
        return set;
    }

    /// <summary>Everything is loaded and taken: sets live on with their users alone.</summary>
    public void Seal()
    {
        foreach (WeightSet set in _sets.Values)
            set.RemoveUser();
        _sets.Clear();
    }

    /// <summary>Memory that a model's weights take.</summary>
    public long BytesOf(OpenedModel model) => _sets[model.Weights].Bytes;

    public void Dispose() => Seal();
}
