namespace PdEngine.Tests;

/// <summary>What one simulated run is made of, drawn from its seed.</summary>
internal sealed class SimulationSetup
{
    private readonly Random _random;
    private readonly int[] _sharedTokens;
    private long _requestCount;

    /// <param name="seed">Of everything.</param>
    /// <param name="runsAhead">Workers start a batch before they apply the one before.</param>
    public SimulationSetup(int seed, bool runsAhead)
    {
        Seed = seed;
        RunsAhead = runsAhead;
        _random = new(seed);
        PageSize = 1 << _random.Next(0, 5);
        IsCrowded = Chance(3);
        Workers = DrawWorkers();
        IsSingle = Workers.Count == 1;
        DomainSizes = new int[Workers.Max(worker => worker.Domain) + 1];
        for (int i = 0; i < DomainSizes.Length; i++)
        {
            int tokens = _random.Next(3 * PageSize, (Chance(4) ? 20 : 160) + (3 * PageSize));
            DomainSizes[i] = Math.Max(3, tokens / PageSize);
        }
        CapacityTokens = Workers.Min(worker => Math.Min(
            DomainSizes[worker.Domain], worker.Options.QuotaBlocks ?? int.MaxValue)) * PageSize;
        int context = Chance(4) ? Math.Max(8, CapacityTokens * 2 / 3) : 100_000;
        Workers = [.. Workers.Select(worker => worker with
        {
            Options = worker.Options with { ContextTokens = context },
        })];
        ContextTokens = context;
        RouterPolicy = (RouterPolicy)_random.Next(Enum.GetValues<RouterPolicy>().Length);
        Disaggregate = Chance(2) ? DisaggregateMode.Always : (DisaggregateMode)_random.Next(3);
        _sharedTokens = Tokens(160);
        CallCount = _random.Next(2, 16);
        AbortsOneStepIn = Chance(2) ? 0 : _random.Next(5, 60);
        FailsOneStepIn = Chance(3) ? _random.Next(10, 80) : 0;
        KillsOneStepIn = !IsSingle && Chance(2) ? _random.Next(Chance(4) ? 4 : 20, 120) : 0;
        RestartsOneStepIn = Chance(3) ? 1 : _random.Next(1, 12);
        InterleavesOneIn = IsSingle || Chance(3) ? 0 : _random.Next(1, 8);
        FlushesOneStepIn = Chance(4) ? _random.Next(5, 40) : 0;
        ArrivesOneStepIn = Chance(2) ? 1 : _random.Next(1, 6);
        UpdatesOneStepIn = Chance(2) ? _random.Next(4, 60) : 0;
    }

    public int Seed { get; }

    public bool RunsAhead { get; }

    public int PageSize { get; }

    /// <summary>Blocks of each domain.</summary>
    public int[] DomainSizes { get; }

    public IReadOnlyList<SimulatedWorker> Workers { get; }

    /// <summary>One regular worker, alone in its domain.</summary>
    public bool IsSingle { get; }

    /// <summary>Short prompts and long outputs, all at once: blocks run out.</summary>
    public bool IsCrowded { get; }

    public int ContextTokens { get; }

    public RouterPolicy RouterPolicy { get; }

    public DisaggregateMode Disaggregate { get; }

    /// <summary>Tokens of the longest sequence that every worker could hold.</summary>
    public int CapacityTokens { get; }

    /// <summary>Calls of their own; further turns of a session come on top.</summary>
    public int CallCount { get; }

    /// <summary>0 is never.</summary>
    public int AbortsOneStepIn { get; }

    public int FailsOneStepIn { get; }

    /// <summary>Workers die, hang and are started anew.</summary>
    public int KillsOneStepIn { get; }

    public int RestartsOneStepIn { get; }

    /// <summary>While a worker computes or copies, others make a step this often.</summary>
    public int InterleavesOneIn { get; }

    public int FlushesOneStepIn { get; }

    public int ArrivesOneStepIn { get; }

    /// <summary>The weights are updated, or the service is paused for a while.</summary>
    public int UpdatesOneStepIn { get; }

    public bool Chance(int oneIn) => oneIn > 0 && _random.Next(oneIn) == 0;

    public int Next(int end) => _random.Next(end);

    public void Shuffle(int[] order) => _random.Shuffle(order);

    /// <summary>Rounds in which a request should be through if it were alone, generously.</summary>
    public long AloneRounds(Request request)
    {
        int budget = Workers.Min(worker => Math.Max(1, worker.Options.PrefillBudgetTokens / 4));
        return 20 + (request.PromptTokens.Length / budget) + request.Sampling.MaxNewTokens;
    }

    /// <summary>A request that may begin like others do; now and then one that can never fit.</summary>
    public Request NewRequest()
    {
        int room = Math.Min(CapacityTokens, ContextTokens);
        int most = IsCrowded ? room / 6 : room / 2;
        int keep = _random.Next(0, Math.Min(_sharedTokens.Length, most + 1));
        int ownEnd = Math.Max(2, IsCrowded ? room / 6 : room / _random.Next(2, 9));
        int[] prompt = [.. _sharedTokens[..keep], .. Tokens(_random.Next(1, ownEnd))];
        return Draw(prompt, room + (Chance(40) ? room : 0));
    }

    /// <summary>The next turn of a session: all that was said so far, and a few tokens more.</summary>
    public Request NextTurn(Sequence last)
    {
        int room = Math.Min(CapacityTokens, ContextTokens);
        return Draw([.. last.Tokens, .. Tokens(_random.Next(1, 8))], room);
    }

    /// <summary>Another sample of the same prompt.</summary>
    public Request NextSample(Request first) =>
        first with { Id = new(++_requestCount), Seed = (ulong)_random.Next() };

    /// <summary>Every shape: one regular worker, several, and prefill beside decode, in one domain or
    /// several.</summary>
    private List<SimulatedWorker> DrawWorkers()
    {
        List<SimulatedWorker> workers = [];
        int layout = _random.Next(6);
        int shape = _random.Next(8);
        if (shape < 3)
            Add(workers, WorkerType.Regular, shape > 0 ? _random.Next(2, 4) : 1, layout);
        if (shape >= 3)
        {
            Add(workers, WorkerType.Prefill, _random.Next(1, 4), layout);
            Add(workers, WorkerType.Decode, _random.Next(1, 4), layout);
        }
        HashSet<int> ahead = [.. workers.Where(w => w.Role != WorkerType.Prefill).Select(w => w.Domain)];
        return [.. workers.Select(worker => worker with
        {
            Options = worker.Options with { LooksAhead = ahead.Contains(worker.Domain) },
        })];
    }

    /// <summary>
    /// One domain for all, one for each, or any, but then none for two roles: a domain that both sends and
    /// receives blocks could wait for itself, and no topology makes one.
    /// </summary>
    private void Add(List<SimulatedWorker> workers, WorkerType role, int count, int layout)
    {
        SchedulerOptions options = DrawOptions();
        int firstDomain = workers.Count == 0 ? 0 : workers.Max(worker => worker.Domain) + 1;
        int domainCount = 0;
        for (int i = 0; i < count; i++)
        {
            int domain = layout switch
            {
                < 2 => 0,
                < 4 => workers.Count,
                _ => firstDomain + _random.Next(domainCount + 1),
            };
            domainCount = Math.Max(domainCount, domain - firstDomain + 1);
            workers.Add(new(role, domain, options));
        }
    }

    private SchedulerOptions DrawOptions() => new()
    {
        ContextTokens = 1,
        PrefillChunkTokens = Chance(4) ? null : Chance(6) ? 1 : _random.Next(1, Chance(2) ? 8 : 48),
        MaxPrefillTokens = _random.Next(4, 120),
        MaxPrefillSequences = Chance(5) ? _random.Next(1, 4) : null,
        MaxRunningSequences = Chance(8) ? 1 : _random.Next(1, 16),
        MaxQueuedSequences = Chance(3) ? _random.Next(1, 6) : null,
        QuotaBlocks = Chance(4) ? Math.Max(3, _random.Next(3 * PageSize, 160) / PageSize) : null,
        ReservedDecodeTokens = Chance(3) ? _random.Next(1, 40) : 0,
        MixesDecode = Chance(2),
        UsesPrefixCache = !Chance(6),
        Policy = (SchedulePolicy)_random.Next(Enum.GetValues<SchedulePolicy>().Length),
        Retraction = (RetractionPolicy)_random.Next(2),
        Conservativeness = IsCrowded ? 0 : Chance(3) ? 1 : _random.NextDouble() * _random.NextDouble(),
    };

    private Request Draw(int[] prompt, int room)
    {
        int newTokens = Chance(8) ? 0 : _random.Next(1, Math.Max(2, Math.Min(100, room - prompt.Length + 1)));
        if (IsCrowded && !Chance(4))
            newTokens = Math.Max(1, Math.Min(160, room - prompt.Length + 1) - _random.Next(0, 20));
        int[] stopIds = IsCrowded || Chance(2) ? [] : [.. Tokens(2).Distinct().Order()];
        bool scores = Chance(3);
        return new()
        {
            Id = new(++_requestCount),
            PromptTokens = prompt,
            Seed = (ulong)_random.Next(),
            StopTokenIds = stopIds,
            ReturnLogProb = scores || Chance(2),
            LogProbStart = scores ? _random.Next(0, prompt.Length + 1) : null,
            TopLogProbCount = Chance(3) ? 2 : 0,
            PenaltyPromptCount = scores && Chance(2) ? _random.Next(0, prompt.Length + 1) : prompt.Length,
            Priority = _random.Next(3),
            RoutingKey = Chance(2) ? $"key {_random.Next(3)}" : null,
            SessionId = Chance(2) ? $"session {_random.Next(4)}" : null,
            Sampling = new()
            {
                MaxNewTokens = newTokens,
                MinNewTokens = Chance(3) ? _random.Next(0, 12) : 0,
                Temperature = _random.Next(3),
                RepetitionPenalty = Chance(4) ? 1.5f : 1,
                PresencePenalty = Chance(4) ? 0.5f : 0,
                LogitBias = Chance(4) ? new Dictionary<int, float> { [9] = 2, [4] = -1 } : EmptyBias,
                Stop = Chance(6) ? ["stop"] : [],
            },
        };
    }

    private static readonly Dictionary<int, float> EmptyBias = [];

    private int[] Tokens(int count)
    {
        int[] tokens = new int[count];
        for (int i = 0; i < count; i++)
            tokens[i] = _random.Next(FakeModel.VocabularySize);
        return tokens;
    }
}
