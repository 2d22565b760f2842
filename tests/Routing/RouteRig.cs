namespace PdEngine.Tests;

/// <summary>A policy over workers whose loads the test sets or a seeded stream of requests makes.</summary>
internal sealed class RouteRig(RouterPolicy kind, int workerCount, ulong seed = 1)
{
    private readonly List<(int Worker, int Tokens)> _running = [];
    private long _requestCount;

    public RoutePolicy Policy { get; private set; } = null!;

    public SteppedClock Clock { get; } = new();

    public List<RouteCandidate> Workers { get; } =
        [.. Enumerable.Range(0, workerCount).Select(i => new RouteCandidate(i, 0, 0, 0))];

    /// <summary>Requests of each worker so far, by its number.</summary>
    public Dictionary<int, int> PickCounts { get; } = [];

    public int RunningCount => _running.Count;

    /// <summary>The number of the worker that a request goes to; its load stays as it is.</summary>
    public int Route(string? key = null, string? session = null, int[]? prompt = null)
    {
        Policy ??= RoutePolicy.Create(kind, seed, Clock);
        RouteKey asked = new(prompt ?? [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], key, session, ++_requestCount);
        int worker = Workers[Policy.Pick(asked, Workers.ToArray())].Worker;
        PickCounts[worker] = PickCounts.GetValueOrDefault(worker) + 1;
        return worker;
    }

    /// <summary>Routes a request that stays with its worker until a later <see cref="FinishOne"/>.</summary>
    public int Start(string? key = null, string? session = null, int[]? prompt = null)
    {
        int worker = Route(key, session, prompt);
        int tokens = prompt?.Length ?? 10;
        _running.Add((worker, tokens));
        AddLoad(worker, 1, tokens);
        return worker;
    }

    public void FinishOne(Random random)
    {
        int index = random.Next(_running.Count);
        AddLoad(_running[index].Worker, -1, -_running[index].Tokens);
        _running.RemoveAt(index);
    }

    public void Set(int worker, int requests = 0, long pending = 0, int cached = 0) =>
        Workers[Index(worker)] = new(worker, requests, pending, cached);

    public void Kill(int worker)
    {
        Workers.RemoveAt(Index(worker));
        _running.RemoveAll(running => running.Worker == worker);
        Policy?.Forget(worker);
    }

    private int Index(int worker) => Workers.FindIndex(candidate => candidate.Worker == worker);

    private void AddLoad(int worker, int requests, long tokens)
    {
        int index = Index(worker);
        RouteCandidate now = Workers[index];
        Workers[index] = now with
        {
            RequestCount = now.RequestCount + requests,
            PendingTokens = now.PendingTokens + tokens,
        };
    }
}

/// <summary>Time that passes when the test says so.</summary>
internal sealed class SteppedClock : TimeProvider
{
    private long _ticks;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override long GetTimestamp() => _ticks;

    public void Advance(TimeSpan time) => _ticks += time.Ticks;
}
