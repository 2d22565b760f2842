namespace PdEngine;

/// <summary>
/// All shards of one state of a model's weights. They are given back when nobody uses them any more: neither
/// a service, for what it starts next, nor a runner. Any thread may call it.
/// </summary>
/// <param name="quantization">How the weights of products are held.</param>
internal sealed class WeightSet(Quantization quantization) : IDisposable
{
    private readonly List<(ModelWeights Weights, WeightPlace Place)> _loaded = [];
    private readonly List<WeightPlace> _places = [];
    private readonly Lock _gate = new();
    private int _userCount = 1;

    public Quantization Quantization => quantization;

    /// <summary>Every share that has been loaded, and where; also of those whose memory is away.</summary>
    public IReadOnlyList<WeightPlace> Places => _places;

    /// <summary>One for each memory that they lie in.</summary>
    public IEnumerable<IBackend> Backends =>
        _places.Select(place => place.Backend).DistinctBy(backend => backend.Memory);

    /// <summary>Of the whole model; once something is loaded.</summary>
    public ModelConfig Config { get; private set; } = null!;

    /// <summary>Their memory has been given back: nobody may compute with them any more.</summary>
    public bool IsAway { get; private set; }

    /// <summary>Memory that they take.</summary>
    public long Bytes
    {
        get
        {
            long bytes = 0;
            foreach ((ModelWeights shard, _) in _loaded)
                bytes += shard.Bytes;
            return bytes;
        }
    }

    public int UserCount
    {
        get
        {
            lock (_gate)
                return _userCount;
        }
    }

    /// <summary>Loads a share, unless it is here; before anyone uses it.</summary>
    /// <param name="place">Which share, and where.</param>
    /// <param name="checkpoint">Of what.</param>
    /// <param name="progress">See <see cref="ModelWeights.Load"/>; may be null.</param>
    /// <param name="onLoaded">Once it is loaded.</param>
    public void Load(
        WeightPlace place, ICheckpoint checkpoint, IProgress<long>? progress, Action? onLoaded = null)
    {
        Config = checkpoint.Config;
        if (_loaded.Exists(shard => shard.Place.Key == place.Key))
            return;
        // Embedding and head are those of the first share in the same memory.
        ModelWeights? first = _loaded.Find(
            shard => shard.Place.Backend.Memory == place.Backend.Memory).Weights;
        _loaded.Add((ModelWeights.Load(
            checkpoint, place.Backend, progress, new WeightShard(place.Rank, place.RankCount), first,
            quantization), place));
        _places.Add(place);
        onLoaded?.Invoke();
    }

    /// <summary>
    /// Takes the values of another checkpoint of the model in, in place; nobody may compute.
    /// </summary>
    /// <param name="checkpoint">Of what.</param>
    /// <param name="onLoaded">After each shard.</param>
    public void Reload(ICheckpoint checkpoint, Action? onLoaded = null)
    {
        foreach ((ModelWeights shard, WeightPlace place) in _loaded)
        {
            shard.Reload(checkpoint, place.Backend);
            onLoaded?.Invoke();
        }
    }

    /// <summary>The tensors as they are now.</summary>
    public PresentWeights Present()
    {
        int rankCount = _loaded[0].Place.RankCount;
        return new([.. _loaded
            .Where(shard => shard.Place.RankCount == rankCount)
            .DistinctBy(shard => shard.Place.Rank)
            .Select(shard => shard.Weights)]);
    }

    /// <summary>The shares of ranks that compute on these backends, by rank.</summary>
    public IReadOnlyList<ModelWeights> Shards(IReadOnlyList<IBackend> ranks)
    {
        ModelWeights[] shards = new ModelWeights[ranks.Count];
        for (int rank = 0; rank < shards.Length; rank++)
        {
            (int, int, MemoryDomain) key = (ranks.Count, rank, ranks[rank].Memory);
            shards[rank] = _loaded.Find(shard => shard.Place.Key == key).Weights;
            Check.That(shards[rank] is not null);
        }
        return shards;
    }

    public void AddUser()
    {
        lock (_gate)
        {
            Check.That(_userCount > 0);
            _userCount++;
        }
    }

    /// <summary>The last one gives the memory back.</summary>
    public void RemoveUser()
    {
        lock (_gate)
        {
            Check.That(_userCount > 0);
            if (--_userCount == 0)
                Dispose();
        }
    }

    /// <summary>Gives the memory back, for good, while nobody computes.</summary>
    public void Dispose()
    {
        // Tables are owned by the first loaded and used by the rest.
        for (int i = _loaded.Count - 1; i >= 0; i--)
            _loaded[i].Weights.Dispose();
        _loaded.Clear();
        IsAway = true;
    }
}
