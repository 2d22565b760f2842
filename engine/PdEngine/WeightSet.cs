namespace PdEngine;

/// <summary>
/// All shards of one state of a model's weights. They are given back when nobody uses them any more: neither
/// a service, for what it starts next, nor a runner. Any thread may call it.
/// </summary>
/// <param name="quantization">How the weights of products are held.</param>
/// <param name="backends">One for each memory that they are to lie in; not owned.</param>
internal sealed class WeightSet(Quantization quantization, IReadOnlyList<IBackend> backends) : IDisposable
{
    private readonly Dictionary<(int RankCount, MemoryDomain Memory), ModelWeights[]> _shards = [];
    private readonly List<(ModelWeights Weights, IBackend Backend)> _loaded = [];
    private readonly Lock _gate = new();
    private int _userCount = 1;

    public Quantization Quantization => quantization;

    /// <summary>One for each memory that they lie in.</summary>
    public IReadOnlyList<IBackend> Backends => backends;

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

    /// <summary>Every number of ranks that there are shards for.</summary>
    public IEnumerable<int> RankCounts => _shards.Keys.Select(key => key.RankCount).Distinct();

    /// <summary>
    /// Loads the shards for so many ranks into every memory, unless they are here; before anyone uses them.
    /// </summary>
    /// <param name="rankCount">Ranks.</param>
    /// <param name="checkpoint">Of what.</param>
    /// <param name="progress">See <see cref="ModelWeights.Load"/>; may be null.</param>
    /// <param name="onLoaded">After each shard.</param>
    public void Load(
        int rankCount, ICheckpoint checkpoint, IProgress<long>? progress, Action? onLoaded = null)
    {
        Config = checkpoint.Config;
        foreach (IBackend backend in backends)
        {
            if (_shards.ContainsKey((rankCount, backend.Memory)))
                continue;
            ModelWeights[] shards = new ModelWeights[rankCount];
            for (int rank = 0; rank < rankCount; rank++)
            {
                // Embedding and head are those of the first shard of all in the same memory.
                shards[rank] = ModelWeights.Load(
                    checkpoint, backend, progress, new WeightShard(rank, rankCount),
                    _loaded.Find(other => other.Backend == backend).Weights, quantization);
                _loaded.Add((shards[rank], backend));
                onLoaded?.Invoke();
            }
            _shards.Add((rankCount, backend.Memory), shards);
        }
    }

    /// <summary>
    /// Takes the values of another checkpoint of the model in, in place; nobody may compute.
    /// </summary>
    /// <param name="checkpoint">Of what.</param>
    /// <param name="onLoaded">After each shard.</param>
    public void Reload(ICheckpoint checkpoint, Action? onLoaded = null)
    {
        foreach ((ModelWeights shard, IBackend backend) in _loaded)
        {
            shard.Reload(checkpoint, backend);
            onLoaded?.Invoke();
        }
    }

    /// <summary>The tensors as they are now.</summary>
    public PresentWeights Present() => new(_shards.Values.First());

    /// <summary>The shards for so many ranks, by rank, as they lie in a memory.</summary>
    public IReadOnlyList<ModelWeights> Shards(int rankCount, MemoryDomain memory) =>
        _shards[(rankCount, memory)];

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
