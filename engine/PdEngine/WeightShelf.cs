namespace PdEngine;

/// <summary>
/// The weights that an engine starts with: one set for each checkpoint and quantisation, shared by services
/// until they take others.
/// </summary>
/// <param name="devices">Every device of the plan; not owned.</param>
internal sealed class WeightShelf(IReadOnlyList<IBackend> devices) : IDisposable
{
    private readonly Dictionary<WeightSource, WeightSet> _sets = [];

    /// <summary>Bytes that loading a model reads, counted as float32.</summary>
    public long LoadBytes(OpenedModel model)
    {
        long bytes = 0;
        HashSet<MemoryDomain> memories = [];
        foreach (WeightPlace place in model.Places(devices))
        {
            bytes += ModelWeights.LoadBytes(
                model.Checkpoint.Config, new WeightShard(place.Rank, place.RankCount),
                sharesTables: !memories.Add(place.Backend.Memory));
        }
        return bytes;
    }

    /// <summary>Loads every shard that a model's workers need and that is not here yet.</summary>
    public void Load(OpenedModel model, LoadMeter meter)
    {
        if (!_sets.TryGetValue(model.Weights, out WeightSet? set))
            _sets.Add(model.Weights, set = new(model.Weights.Quantization));
        foreach (WeightPlace place in model.Places(devices))
            set.Load(place, model.Checkpoint, meter, meter.NextPart);
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
