namespace PdEngine;

/// <summary>One service at run time: its KV memory, its workers and its router.</summary>
internal sealed class ModelParts : IDisposable
{
    private readonly EngineOptions _options;
    private readonly OpenedModel _model;
    private readonly IReadOnlyList<IBackend> _devices;
    private readonly WeightShelf _weights;
    private readonly KvPools _pools;
    private readonly List<WorkerSlot> _slots = [];
    private readonly Watchdog _watchdog;

    /// <param name="options">Defaults of every group.</param>
    /// <param name="plan">The whole plan.</param>
    /// <param name="model">This service.</param>
    /// <param name="devices">Every device of the plan; not owned.</param>
    /// <param name="weights">Loaded; not owned.</param>
    /// <param name="freeBytes">Memory of all devices that was free before anything was loaded.</param>
    public ModelParts(
        EngineOptions options, Topology plan, OpenedModel model, IReadOnlyList<IBackend> devices,
        WeightShelf weights, long freeBytes)
    {
        _options = options;
        _model = model;
        _devices = devices;
        _weights = weights;
        Config = model.Checkpoint.Config;
        ContextTokens = Math.Min(
            ContextOf(model.Service) ?? options.ContextLength ?? Config.MaxPositions, Config.MaxPositions);
        _pools = KvPools.Create(options, plan, model, devices, weights.BytesOf(model), freeBytes);
        Router = new Router(new RouterOptions
        {
            Regular = plan.RouterPolicy,
            Prefill = plan.PrefillPolicy,
            Decode = plan.DecodePolicy,
            Disaggregate = options.Disaggregate,
            LocalTokens = _pools.PageSize,
            Seed = options.Seed,
            Clock = options.Clock,
            Transfer = _pools.Transfer,
        });
        Swap = new(Router, new(0, Decoding.WeightVersion, weights.Take(model)), runsInline: false);
        Versions = new(Decoding.WeightVersion);
        try
        {
            foreach (ServerGroup group in model.Service.Groups)
            {
                foreach (WorkerPlacement placement in group.Workers)
                    _slots.Add(NewSlot(group, placement));
            }
        }
        catch
        {
            Dispose();
            throw;
        }
        Router.Connect(_slots);
        _watchdog = new(_slots, options.Clock);
        Instruments = new(Name, Router);
        Tracer = new(Name, options.Clock);
        RequestTimeout = options.Topology is null
            ? Timeout.InfiniteTimeSpan
            : TimeSpan.FromSeconds(plan.RequestTimeoutSecs);
    }

    public string Name => _model.Service.Name;

    public ModelConfig Config { get; }

    public Tokenizer? Tokenizer => _model.Tokenizer;

    public ChatTemplate? Template => _model.Template;

    public int ContextTokens { get; }

    /// <summary>What whoever asked for it should know; null is nothing.</summary>
    public string? Notice => _pools.Notice;

    public string BackendName => _devices[0].Name;

    public GemmKind Gemm => _devices[0] is CudaBackend cuda ? cuda.Gemm : GemmKind.Own;

    public Router Router { get; }

    public EngineInstruments Instruments { get; }

    public RequestTracer Tracer { get; }

    /// <summary>A stream's reader is woken every so many tokens.</summary>
    public int StreamInterval => Decoding.StreamInterval;

    /// <summary>The weights that the workers compute with, and how they get others.</summary>
    public WeightSwap Swap { get; }

    /// <summary>Those that they have had.</summary>
    public VersionHistory Versions { get; }

    /// <summary>Gives the memory of every KV block back; all workers are paused and hold none.</summary>
    public void VacateKv() => _pools.Vacate();

    /// <summary>Reads the checkpoint once more.</summary>
    public WeightSet ReadWeights()
    {
        using ICheckpoint checkpoint = Checkpoint.Open(_model.Weights.Path, _options.MemoryFolders);
        WeightSet set = new(_model.Weights.Quantization);
        try
        {
            foreach (WeightPlace place in _model.Places(_devices))
                set.Load(place, checkpoint, progress: null);
            return set;
        }
        catch
        {
            set.Dispose();
            throw;
        }
    }

    /// <summary>Weight updates reach it.</summary>
    public bool TakesUpdates => _model.Service.UpdateWeights;

    /// <summary>Settings of the group that makes most tokens.</summary>
    private GroupSettings Decoding => (_model.Service.Groups.FirstOrDefault(
        group => group.WorkerType == WorkerType.Decode)
        ?? _model.Service.Groups.First(group => group.Workers.Count > 0)).Settings;

    /// <summary>How long a request may take; infinite without a plan.</summary>
    public TimeSpan RequestTimeout { get; }

    /// <summary>
    /// A step that never came back may still use weights, KV memory and devices: they cannot be given back.
    /// </summary>
    public bool HasLostThread => _slots.Any(slot => slot.HasLostThread);

    /// <summary>Starts every worker's thread.</summary>
    public void Start()
    {
        _slots.ForEach(slot => slot.Start());
        _watchdog.Start();
    }

    public EngineMetrics Metrics()
    {
        WorkerSnapshot[] snapshots = [.. _slots.Select(slot => slot.Worker.Snapshot())];
        (int total, int free, int cached) = _pools.Blocks();
        return new EngineMetrics
        {
            QueuedRequests = snapshots.Sum(snapshot => snapshot.QueuedCount),
            RunningRequests = snapshots.Sum(
                snapshot => snapshot.PrefillingCount + snapshot.ArrivedCount + snapshot.DecodingCount),
            TotalBlocks = total,
            FreeBlocks = free,
            CachedBlocks = cached,
            PageSize = _pools.PageSize,
            PrefillTokens = snapshots.Sum(snapshot => snapshot.PrefillTokenCount),
            CachedTokens = snapshots.Sum(snapshot => snapshot.CachedTokenCount),
            OutputTokens = snapshots.Sum(snapshot => snapshot.GeneratedTokenCount),
            Retractions = snapshots.Sum(snapshot => snapshot.RetractionCount),
        };
    }

    public void Dispose()
    {
        _watchdog?.Dispose();
        // All of them take no more before the first one ends its sequences.
        _slots.ForEach(slot => slot.Worker.Close());
        _slots.ForEach(slot => slot.Dispose());
        if (!HasLostThread)
            _pools.Dispose();
        Instruments?.Dispose();
        Tracer?.Dispose();
        Swap?.Current.Weights!.RemoveUser();
    }

    public IReadOnlyList<WorkerView> WorkerViews() =>
        [.. _slots.Select(slot => WorkerView.Of(
            slot, DevicesOf(slot), _pools.PoolOf(slot.Number), _options.Clock))];

    public IReadOnlyList<PoolView> PoolViews(IReadOnlyList<Sequence> live) => _pools.Views(live);

    public KvLeakReport LeakReport(int liveRequests)
    {
        (int holders, int evictable, int quarantined) = _pools.Held();
        return new KvLeakReport
        {
            LiveRequests = liveRequests,
            Holders = holders,
            EvictableBlocks = evictable,
            QuarantinedBlocks = quarantined,
            ChargedBlocks = _slots.Sum(slot => slot.Worker.Space.ChargedBlocks),
        };
    }

    private IReadOnlyList<IBackend> DevicesOf(WorkerSlot slot) =>
        [.. _model.Service.Groups.SelectMany(group => group.Workers).First(one => one.Index == slot.Number)
            .Devices.Select(device => _devices[device])];

    private static int? ContextOf(ServedModel service) =>
        service.Groups.Min(group => group.Settings.ContextLength);

    private WorkerSlot NewSlot(ServerGroup group, WorkerPlacement placement)
    {
        int index = group.Workers.TakeWhile(worker => worker != placement).Count();
        int before = _model.Service.Groups.TakeWhile(one => one != group)
            .Where(one => one.WorkerType == group.WorkerType).Sum(one => one.Workers.Count);
        string role = group.WorkerType.ToString().ToLowerInvariant();
        return new WorkerSlot(
            placement.Index, $"{role}-{before + index}", group.WorkerType,
            slot => Make(slot, group, placement), hasThread: true);
    }

    private (Worker, IDisposable) Make(WorkerSlot slot, ServerGroup group, WorkerPlacement placement)
    {
        SchedulerOptions scheduling = WorkerOptions.Of(_options, group, ContextTokens, _pools);
        int chunkTokens = scheduling.PrefillChunkTokens
            ?? Math.Max(ContextTokens, scheduling.MaxPrefillTokens);
        IBackend[] ranks = [.. placement.Devices.Select(device => _devices[device])];
        TensorParallelRunner runner = new(
            ranks, Swap.Current.Weights!.Shards(ranks), _pools.Memory(placement.Index),
            chunkTokens + scheduling.MaxRunningSequences);
        KvSpace space = new(
            _pools.Domain(placement.Index), scheduling.QuotaBlocks, scheduling.UsesPrefixCache);
        WeightEpoch epoch = Swap.Current;
        runner.Use(epoch);
        Worker worker = new(slot.Name, scheduling, space, runner, _options.Clock, Router.Rescue, epoch);
        if (Swap.IsPaused)
            worker.Pause();
        return (worker, runner);
    }
}
