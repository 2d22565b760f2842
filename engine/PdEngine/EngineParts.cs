namespace PdEngine;

/// <summary>What an engine is made of, built in the order in which bad input is cheapest to refuse.</summary>
internal sealed class EngineParts : IDisposable
{
    /// <summary>Share of free memory that the KV cache takes where no number of tokens was given.</summary>
    private const double DefaultKvShare = 0.25;

    private readonly ModelWeights _weights;
    private readonly KvStore _store;
    private readonly KvBlockPool _pool;
    private readonly TensorParallelRunner _runner;

    private EngineParts(
        EngineOptions options, ModelWeights weights, IBackend backend, Tokenizer? tokenizer,
        ChatTemplate? template)
    {
        Config = weights.Config;
        Backend = backend;
        Tokenizer = tokenizer;
        Template = template;
        ContextTokens = Math.Min(options.ContextLength ?? Config.MaxPositions, Config.MaxPositions);
        _weights = weights;
        KvLayout layout = KvLayout.GroupedQuery(
            Config.LayerCount, options.PageSize, Config.KvHeadCount, Config.HeadDim, backend.KvElement);
        _store = backend.CreateKvStore(layout, BlockCount(options, layout));
        _pool = new(_store.BlockCount, options.PageSize);
        _runner = new(
            [backend], [weights], KvMemory.InHost(_store, rankCount: 1),
            options.ChunkedPrefillSize + options.MaxRunningRequests);
        SchedulerOptions scheduling = new()
        {
            ContextTokens = ContextTokens,
            PrefillChunkTokens = options.ChunkedPrefillSize,
            MaxPrefillTokens = options.ChunkedPrefillSize,
            MaxRunningSequences = options.MaxRunningRequests,
            MaxQueuedSequences = options.MaxQueuedRequests,
            UsesPrefixCache = !options.DisableRadixCache,
            Policy = options.SchedulePolicy,
        };
        Worker = new("regular-0", scheduling, _pool, new RadixCache(_pool), _runner, options.Clock);
    }

    public ModelConfig Config { get; }

    public IBackend Backend { get; }

    public Tokenizer? Tokenizer { get; }

    public ChatTemplate? Template { get; }

    public int ContextTokens { get; }

    public Worker Worker { get; }

    /// <summary>Options and headers are checked first, weights are read last.</summary>
    public static EngineParts Build(EngineOptions options, CancellationToken cancellationToken)
    {
        OptionChecks.ThrowIfInvalid(options);
        using ICheckpoint checkpoint = Checkpoint.Open(options.ModelPath);
        OptionChecks.ThrowIfContextTooLong(options, checkpoint.Config);
        (Tokenizer? tokenizer, ChatTemplate? template) = TextFiles.Load(checkpoint);
        cancellationToken.ThrowIfCancellationRequested();
        IBackend backend = Backends.Open(options.Backend, options.Isa, options.ThreadCount);
        ModelWeights? weights = null;
        try
        {
            Progress progress =
                new(options.Progress, ModelWeights.LoadBytes(checkpoint.Config), cancellationToken);
            weights = ModelWeights.Load(checkpoint, backend, progress);
            return new EngineParts(options, weights, backend, tokenizer, template);
        }
        catch
        {
            weights?.Dispose();
            backend.Dispose();
            throw;
        }
    }

    public EngineMetrics Metrics()
    {
        WorkerSnapshot snapshot = Worker.Snapshot();
        return new EngineMetrics
        {
            QueuedRequests = snapshot.QueuedCount,
            RunningRequests = snapshot.PrefillingCount + snapshot.DecodingCount,
            TotalBlocks = _pool.BlockCount,
            FreeBlocks = snapshot.FreeBlockCount,
            CachedBlocks = snapshot.CachedBlockCount,
            PageSize = _pool.PageSize,
            PrefillTokens = snapshot.PrefillTokenCount,
            CachedTokens = snapshot.CachedTokenCount,
            OutputTokens = snapshot.GeneratedTokenCount,
            Retractions = snapshot.RetractionCount,
        };
    }

    /// <summary>Once the worker's loop, which owns the worker, has ended.</summary>
    public void Dispose()
    {
        _runner.Dispose();
        _store.Dispose();
        _weights.Dispose();
        Backend.Dispose();
    }

    private int BlockCount(EngineOptions options, KvLayout layout)
    {
        // Weights are in memory already, so what is free now is what the cache may share.
        double weightsAndFree = HostMemory.FreeBytes() + _weights.Bytes;
        double allowed = (weightsAndFree * options.MemFractionStatic) - _weights.Bytes;
        double wanted = options.MaxTotalTokens is { } tokens
            ? (double)layout.BlocksFor(tokens) * layout.BlockBytes
            : Math.Min(allowed, HostMemory.FreeBytes() * DefaultKvShare);
        if (wanted > allowed || wanted < layout.BlockBytes)
        {
            throw new BackendException(
                $"The KV cache needs {Math.Max(wanted, layout.BlockBytes) / 1e6:F0} MB; "
                + $"{Math.Max(0, allowed) / 1e6:F0} MB may be taken beside {_weights.Bytes / 1e6:F0} MB of "
                + "weights. Lower max_total_tokens or raise mem_fraction_static.");
        }
        return (int)Math.Min(int.MaxValue / options.PageSize, (long)(wanted / layout.BlockBytes));
    }

    /// <summary>Passes loading on to the caller, and ends it where the caller asked for that.</summary>
    private sealed class Progress(
        IProgress<LoadProgress>? caller, long totalBytes, CancellationToken cancellation)
        : IProgress<long>
    {
        public void Report(long value)
        {
            cancellation.ThrowIfCancellationRequested();
            caller?.Report(new LoadProgress(value / sizeof(float), totalBytes / sizeof(float)));
        }
    }
}
