namespace PdEngine.Tests;

/// <summary>What one simulated run is made of, drawn from its seed.</summary>
internal sealed class SimulationSetup
{
    private readonly Random _random;
    private readonly int[] _sharedTokens;
    private long _requestCount;

    public SimulationSetup(int seed)
    {
        _random = new(seed);
        int pageSize = 1 << _random.Next(0, 5);
        int capacityTokens = _random.Next(3 * pageSize, 160 + (3 * pageSize));
        Pool = new(Math.Max(3, capacityTokens / pageSize), pageSize);
        CapacityTokens = Pool.BlockCount * pageSize;
        int? chunk = Chance(4) ? null : _random.Next(1, Chance(2) ? 8 : 48);
        Options = new()
        {
            ContextTokens = Chance(4) ? Math.Max(8, CapacityTokens * 2 / 3) : 100_000,
            PrefillChunkTokens = chunk,
            MaxPrefillTokens = _random.Next(4, 120),
            MaxRunningSequences = _random.Next(1, 16),
            MaxQueuedSequences = Chance(3) ? _random.Next(1, 6) : null,
            MixesDecode = Chance(2),
            UsesPrefixCache = !Chance(6),
            Policy = (SchedulePolicy)_random.Next(3),
            Retraction = (RetractionPolicy)_random.Next(2),
            Conservativeness = Chance(3) ? 1 : _random.NextDouble() * _random.NextDouble(),
        };
        _sharedTokens = Tokens(160);
        CallCount = _random.Next(2, 16);
        AbortsOneStepIn = Chance(2) ? 0 : _random.Next(5, 60);
        FailsOneStepIn = Chance(3) ? _random.Next(10, 80) : 0;
        FlushesOneStepIn = Chance(4) ? _random.Next(5, 40) : 0;
        ArrivesOneStepIn = Chance(2) ? 1 : _random.Next(1, 6);
    }

    public KvBlockPool Pool { get; }

    public int CapacityTokens { get; }

    public SchedulerOptions Options { get; }

    /// <summary>Calls of their own; further turns of a session come on top.</summary>
    public int CallCount { get; }

    /// <summary>0 is never.</summary>
    public int AbortsOneStepIn { get; }

    public int FailsOneStepIn { get; }

    public int FlushesOneStepIn { get; }

    public int ArrivesOneStepIn { get; }

    public bool Chance(int oneIn) => oneIn > 0 && _random.Next(oneIn) == 0;

    public int Next(int end) => _random.Next(end);

    /// <summary>A request that may begin like others do; now and then one that can never fit.</summary>
    public Request NewRequest()
    {
        int room = Math.Min(CapacityTokens, Options.ContextTokens);
        int keep = _random.Next(0, Math.Min(_sharedTokens.Length, (room / 2) + 1));
        int ownEnd = Math.Max(2, room / _random.Next(2, 9));
        int[] prompt = [.. _sharedTokens[..keep], .. Tokens(_random.Next(1, ownEnd))];
        return Draw(prompt, room + (Chance(40) ? room : 0));
    }

    /// <summary>The next turn of a session: all that was said so far, and a few tokens more.</summary>
    public Request NextTurn(Sequence last)
    {
        int room = Math.Min(CapacityTokens, Options.ContextTokens);
        return Draw([.. last.Tokens, .. Tokens(_random.Next(1, 8))], room);
    }

    /// <summary>Another sample of the same prompt.</summary>
    public Request NextSample(Request first) =>
        first with { Id = new(++_requestCount), Seed = (ulong)_random.Next() };

    private Request Draw(int[] prompt, int room)
    {
        int newTokens = Chance(8) ? 0 : _random.Next(1, Math.Max(2, Math.Min(100, room - prompt.Length + 1)));
        int[] stopIds = Chance(2) ? [] : [.. Tokens(2).Distinct().Order()];
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
