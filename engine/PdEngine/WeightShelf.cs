namespace PdEngine;

/// <summary>
/// The weights that an engine starts with: one set for each checkpoint and quantisation, shared by services
/// until they take others.
/// </summary>
/// <param name="devices">Every device of the plan; not owned.</param>
internal sealed class WeightShelf(IReadOnlyList<IBackend> devices) : IDisposable
{
    private readonly Dictionary<(WeightSource, string), WeightSet> _sets = [];

    /// <summary>Bytes that loading a model reads, counted as float32.</summary>
    public long LoadBytes(OpenedModel model)
    {
        long bytes = 0;
        foreach (int count in model.RankCounts)
        {
            for (int rank = 0; rank < count; rank++)
                bytes += ModelWeights.LoadBytes(
                    model.Checkpoint.Config, new WeightShard(rank, count), sharesTables: bytes > 0);
        }
        return bytes * model.Memories(devices).Length;
    }

    /// <summary>Loads every shard that a model's workers need and that is not here yet.</summary>
    public void Load(OpenedModel model, LoadMeter meter)
    {
        if (!_sets.TryGetValue(KeyOf(model), out WeightSet? set))
            _sets.Add(KeyOf(model), set = NewSet(model));
        foreach (int count in model.RankCounts)
            set.Load(count, model.Checkpoint, meter, meter.NextPart);
    }

    /// <summary>Weights of a model, with nothing loaded.</summary>
    public WeightSet NewSet(OpenedModel model) => new(model.Weights.Quantization, model.Memories(devices));

    /// <summary>A service's weights, which it uses from now on.</summary>
    public WeightSet Take(OpenedModel model)
    {
        WeightSet set = _sets[KeyOf(model)];
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
    public long BytesOf(OpenedModel model) => _sets[KeyOf(model)].Bytes;

    public void Dispose() => Seal();

    private (WeightSource, string) KeyOf(OpenedModel model) =>
        (model.Weights, string.Join(',', model.Memories(devices).Select(device => device.Memory.Name)));
}
