namespace PdEngine.Host;

/// <summary>
/// Keeps streams from taking the cores that make their tokens. What a core may send is shared by all streams:
/// where tokens come faster than that, a stream's next event waits for a pulse that all of them share, and
/// has every token that came meanwhile; at a pulse one thread sends for many. Streams whose tokens come
/// slower never wait.
/// </summary>
internal sealed class EventPace : IDisposable
{
    /// <summary>An event takes some 10 us: this is 2% of a core.</summary>
    public const int EventsPerSecondAndCore = 2000;

    /// <summary>However many they are, none is quiet for longer than an eye can see.</summary>
    public static readonly TimeSpan LongestWait = TimeSpan.FromMilliseconds(25);

    /// <summary>What timers can do.</summary>
    private static readonly TimeSpan ShortestWait = TimeSpan.FromMilliseconds(1);

    private const int TurnsPerThread = 64;

    private readonly double _secondsPerStream;
    private readonly Lock _gate = new();
    private readonly ITimer _timer;
    private List<PaceTurn> _waiting = [];
    private int _streamCount;

    public EventPace(TimeProvider clock, int coreCount)
    {
        _secondsPerStream = 1.0 / (EventsPerSecondAndCore * coreCount);
        _timer = clock.CreateTimer(
            static pace => ((EventPace)pace!).Pulse(), this, Timeout.InfiniteTimeSpan,
            Timeout.InfiniteTimeSpan);
    }

    /// <summary>Between two events of a stream at least; zero where there is no need to wait.</summary>
    public TimeSpan Wait
    {
        get
        {
            TimeSpan wait = TimeSpan.FromSeconds(Volatile.Read(ref _streamCount) * _secondsPerStream);
            return wait < ShortestWait ? TimeSpan.Zero : wait < LongestWait ? wait : LongestWait;
        }
    }

    /// <summary>One more stream, until it is disposed of.</summary>
    /// <param name="end">When it has made its last token.</param>
    public PaceTurn Join(Task end)
    {
        Interlocked.Increment(ref _streamCount);
        return new(this, end);
    }

    public void Leave() => Interlocked.Decrement(ref _streamCount);

    /// <summary>It goes on with the next pulse.</summary>
    public void Add(PaceTurn turn, TimeSpan wait)
    {
        lock (_gate)
        {
            _waiting.Add(turn);
            if (_waiting.Count == 1)
                _timer.Change(wait, Timeout.InfiniteTimeSpan);
        }
    }

    public void Dispose() => _timer.Dispose();

    private void Pulse()
    {
        List<PaceTurn> turns;
        lock (_gate)
            (turns, _waiting) = (_waiting, []);
        for (int first = TurnsPerThread; first < turns.Count; first += TurnsPerThread)
        {
            ThreadPool.UnsafeQueueUserWorkItem(
                static part => GoOn(part.Turns, part.First), (Turns: turns, First: first),
                preferLocal: false);
        }
        GoOn(turns, 0);
    }

    private static void GoOn(List<PaceTurn> turns, int first)
    {
        int end = Math.Min(first + TurnsPerThread, turns.Count);
        for (int i = first; i < end; i++)
            turns[i].GoOn();
    }
}
