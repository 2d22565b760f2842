namespace PdEngine.Host;

/// <summary>What the turns of a rollout took, and between which workers. Thread-safe.</summary>
internal sealed class RolloutTally
{
    private const int MaxRecent = 10;

    private readonly Lock _gate = new();
    private readonly Dictionary<RolloutSample, RolloutMoves> _samples = [];
    private readonly Queue<(RolloutSample Sample, int Turn, Generation Made)> _recent = new();
    private readonly List<Generation> _followed = [];
    private readonly List<double> _firstTokenMs = [];
    private readonly List<double> _handoffMs = [];

    /// <summary>Where the turns went.</summary>
    public RouteTally Routes { get; } = new();

    /// <summary>Takes a turn that has ended.</summary>
    public void Add(RolloutSample sample, Generation turn)
    {
        Routes.Add(turn);
        lock (_gate)
        {
            if (!_samples.TryGetValue(sample, out RolloutMoves? moves))
                _samples.Add(sample, moves = new());
            moves.Add(turn);
            if (turn.TimeToFirstToken is { } first)
                _firstTokenMs.Add(first.TotalMilliseconds);
            if (turn.PdPath is not PdPath.Local)
                _handoffMs.Add(turn.Timings.HandoffNs / 1e6);
            if (sample is { RolloutId: 0, Index: 0 })
                _followed.Add(turn);
            _recent.Enqueue((sample, sample.Turns.Count, turn));
            if (_recent.Count > MaxRecent)
                _recent.Dequeue();
        }
    }

    /// <summary>The turns of one sample.</summary>
    public RolloutMoves Of(RolloutSample sample)
    {
        lock (_gate)
            return _samples.GetValueOrDefault(sample) ?? new();
    }

    /// <summary>All turns together.</summary>
    public RolloutMoves Sum(IEnumerable<RolloutSample>? samples = null)
    {
        RolloutMoves sum = new();
        lock (_gate)
        {
            foreach (RolloutSample sample in samples ?? _samples.Keys)
            {
                if (_samples.TryGetValue(sample, out RolloutMoves? moves))
                    sum.Add(moves);
            }
        }
        return sum;
    }

    /// <summary>The turns that ended last, the latest at the end.</summary>
    public (RolloutSample Sample, int Turn, Generation Made)[] Recent()
    {
        lock (_gate)
            return [.. _recent];
    }

    /// <summary>The turns of the first sample of all, from the given one on.</summary>
    public Generation[] FollowedFrom(int first)
    {
        lock (_gate)
            return [.. _followed.Skip(first)];
    }

    /// <summary>Times to the first token of every turn.</summary>
    public Spread FirstTokenMs()
    {
        lock (_gate)
            return Spread.Of(_firstTokenMs);
    }

    /// <summary>Times that hand-offs took.</summary>
    public Spread HandoffMs()
    {
        lock (_gate)
            return Spread.Of(_handoffMs);
    }
}
