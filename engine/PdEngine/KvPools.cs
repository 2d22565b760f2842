namespace PdEngine;

/// <summary>
/// The KV memory of one service: one pool for all workers whose devices have one memory, or one for each;
/// one for each role there, where prefill and decode would share some memories and not others.
/// </summary>
internal sealed class KvPools : IDisposable
{
    private readonly Dictionary<int, (KvDomain Domain, KvMemory Memory)> _workers = [];
    private readonly List<IDisposable> _owned = [];
    private readonly Dictionary<(int, int), KvTransfer> _transfers = [];

    private KvPools(int pageSize) => PageSize = pageSize;

    /// <summary>Positions per block.</summary>
    public int PageSize { get; }

    /// <summary>What whoever asked for the plan should know; null is nothing.</summary>
    public string? Notice { get; private set; }

    public static KvPools Create(
        EngineOptions options, Topology plan, OpenedModel model, IReadOnlyList<IBackend> devices,
        long weightBytes, long freeBytes)
    {
        ModelConfig config = model.Checkpoint.Config;
        int pageSize = model.Service.Groups.Select(group => group.Settings.PageSize).FirstOrDefault(
            size => size is not null) ?? options.PageSize;
        KvLayout layout = KvLayout.GroupedQuery(
            config.LayerCount, pageSize, config.KvHeadCount, config.HeadDim, devices[0].KvElement);
        KvShare[] shares = KvShare.Of(model.Service, options);
        WorkerPlacement[] workers = [.. model.Service.Groups.SelectMany(group => group.Workers)];
        KvBudget budget = new()
        {
            MemoryBytes = freeBytes,
            DeviceCount = Math.Max(1, plan.DeviceCount),
            WeightBytes = weightBytes,
            BlockBytes = layout.BlockBytes,
            PageSize = pageSize,
            MemFractionStatic = options.MemFractionStatic,
        };
        KvPools pools = new(pageSize);
        try
        {
            if (options.KvDomain == KvDomainKind.Device)
            {
                KvShare[][] apart = [.. shares.Select(share => new[] { share })];
                pools.AddApart(devices, layout, budget.Blocks(apart), workers);
                return pools;
            }
            WorkerType[] roles = RolesOf(model.Service);
            int[][] groups = pools.Group(workers, roles, devices);
            KvShare[][] shared = [.. groups.Select(group => group.Select(one => shares[one]).ToArray())];
            int[] blockCounts = budget.Blocks(shared);
            for (int group = 0; group < groups.Length; group++)
            {
                WorkerPlacement first = workers[groups[group][0]];
                if (first.Devices.Count > 1 && devices[first.Devices[0]].Memory != MemoryDomain.Host)
                {
                    pools.AddApart(devices, layout, [blockCounts[group]], [first]);
                    continue;
                }
                pools.AddShared(
                    devices, layout, blockCounts[group], [.. groups[group].Select(one => workers[one])]);
            }
            return pools;
        }
        catch
        {
            pools.Dispose();
            throw;
        }
    }

    public KvDomain Domain(int worker) => _workers[worker].Domain;

    public KvMemory Memory(int worker) => _workers[worker].Memory;

    /// <summary>The copy from one worker's memory to another's.</summary>
    public IKvTransfer Transfer(int source, int target)
    {
        lock (_transfers)
        {
            if (!_transfers.TryGetValue((source, target), out KvTransfer? transfer))
                _transfers[(source, target)] = transfer = new(Memory(source), Memory(target));
            return transfer;
        }
    }

    /// <summary>Blocks in all pools: all, free, and those that only the prefix caches hold.</summary>
    public (int Total, int Free, int Cached) Blocks()
    {
        (int total, int free, int cached) = (0, 0, 0);
        foreach (KvDomain domain in Domains())
        {
            lock (domain.Gate)
            {
                total += domain.Pool.BlockCount;
                free += domain.Pool.FreeCount;
                cached += domain.Cache.BlockCount;
            }
        }
        return (total, free, cached);
    }

    /// <summary>Which pool a worker takes blocks from, as <see cref="Views"/> has them.</summary>
    public int PoolOf(int worker) => Domains().ToList().IndexOf(Domain(worker));

    /// <summary>Every pool as it is now.</summary>
    /// <param name="live">
    /// Of them those between two workers of one pool hold blocks there, which no loan counts.
    /// </param>
    public IReadOnlyList<PoolView> Views(IReadOnlyList<Sequence> live)
    {
        KvDomain[] domains = [.. Domains()];
        int passed = domains.Length > 1 ? 0 : live
            .Where(sequence => sequence.Phase == SequencePhase.HandingOff).Sum(one => one.Blocks.Count);
        return [.. domains.Select(domain => domain.View(passed))];
    }

    /// <summary>Who holds what, over all pools.</summary>
    public (int Holders, int Evictable, int Quarantined) Held()
    {
        (int holders, int evictable, int quarantined) = (0, 0, 0);
        foreach (KvDomain domain in Domains())
        {
            lock (domain.Gate)
            {
                holders += domain.HolderCount;
                evictable += domain.Cache.EvictableBlockCount;
                quarantined += domain.Pool.QuarantinedCount;
            }
        }
        return (holders, evictable, quarantined);
    }

    /// <summary>Gives the memory of every block back, none of which may be in use but by caches.</summary>
    public void Vacate()
    {
        foreach ((KvDomain domain, KvMemory memory) in _workers.Values)
        {
            lock (domain.Gate)
            {
                domain.Cache.Flush();
                Check.That(domain.Pool.UsedCount == 0);
            }
            memory.Vacate();
        }
    }

    public void Dispose() => _owned.ForEach(one => one.Dispose());

    private IEnumerable<KvDomain> Domains() =>
        _workers.Values.Select(worker => worker.Domain).Distinct();

    private static WorkerType[] RolesOf(ServedModel service) =>
        [.. service.Groups.SelectMany(group => group.Workers.Select(_ => group.WorkerType))];

    /// <summary>
    /// Workers whose devices have one memory share a pool. Where some memories have both prefill and decode
    /// and some do not, roles share none: a pool that both sends blocks to others and receives them could
    /// wait for itself.
    /// </summary>
    private int[][] Group(
        WorkerPlacement[] workers, WorkerType[] roles, IReadOnlyList<IBackend> devices)
    {
        string[] memories = [.. workers.Select(worker => MemoryOf(worker, devices))];
        int[] all = [.. Enumerable.Range(0, workers.Length)];
        HashSet<string> sources = Of(WorkerType.Prefill), targets = Of(WorkerType.Decode);
        bool isMixed = sources.Overlaps(targets) && sources.Union(targets).Count() > 1;
        if (isMixed)
        {
            string both = string.Join(", ", sources.Intersect(targets).Order(StringComparer.Ordinal));
            Notice = $"prefill and decode share {both} and not every GPU: each role has a KV pool of its own "
                + "there, and all hand-offs are copies";
        }
        return [.. all.GroupBy(one => (memories[one], isMixed ? roles[one] : default))
            .Select(group => group.ToArray())];

        HashSet<string> Of(WorkerType role) =>
            [.. all.Where(one => roles[one] == role).Select(one => memories[one])];
    }

    /// <summary>What a worker shares a pool by; ranks on devices have a pool of their own.</summary>
    private static string MemoryOf(WorkerPlacement worker, IReadOnlyList<IBackend> devices)
    {
        MemoryDomain first = devices[worker.Devices[0]].Memory;
        return worker.Devices.Count == 1 || first == MemoryDomain.Host
            ? first.Name
            : $"worker {worker.Index}";
    }

    private void AddShared(
        IReadOnlyList<IBackend> devices, KvLayout layout, int blockCount, WorkerPlacement[] workers)
    {
        KvStore store = devices[workers[0].Devices[0]].CreateKvStore(layout, blockCount);
        _owned.Add(store);
        KvDomain domain = new(blockCount, PageSize);
        foreach (WorkerPlacement worker in workers)
        {
            KvStore own = store.For(devices[worker.Devices[0]]);
            _workers.Add(worker.Index, (domain, KvMemory.InHost(own, worker.Devices.Count)));
        }
    }

    private void AddApart(
        IReadOnlyList<IBackend> devices, KvLayout layout, int[] blockCounts, WorkerPlacement[] workers)
    {
        for (int i = 0; i < workers.Length; i++)
        {
            IBackend[] own = [.. workers[i].Devices.Select(device => devices[device])];
            KvMemory memory = KvMemory.OnDevices(own, layout, blockCounts[i]);
            _owned.Add(memory);
            _workers.Add(workers[i].Index, (new KvDomain(blockCounts[i], PageSize), memory));
        }
    }
}
