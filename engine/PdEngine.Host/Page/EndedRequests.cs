namespace PdEngine.Host;

/// <summary>
/// The requests of a service that ended last, a fixed number of them. Workers add, each at the end of a
/// request; the lock is held for one copy.
/// </summary>
internal sealed class EndedRequests(int capacity, TimeProvider clock)
{
    private readonly Lock _gate = new();
    private readonly EndedRequest[] _ring = new EndedRequest[capacity];
    private EndedTotals _totals;

    /// <summary>All since the start, those that are forgotten too.</summary>
    public EndedTotals Totals
    {
        get
        {
            lock (_gate)
                return _totals;
        }
    }

    public void Add(Generation generation)
    {
        long nowMs = clock.GetUtcNow().ToUnixTimeMilliseconds();
        lock (_gate)
        {
            EndedRequest ended = EndedRequest.Of(generation, _totals.Requests + 1, nowMs);
            _ring[_totals.Requests % capacity] = ended;
            _totals = new EndedTotals
            {
                Requests = ended.Number,
                Failed = _totals.Failed + (ended.Reason == FinishReason.Error ? 1 : 0),
                Handoffs = _totals.Handoffs + (ended.HandoffBlocks > 0 ? 1 : 0),
                TransferBytes = _totals.TransferBytes + ended.TransferBytes,
                PromptTokens = _totals.PromptTokens + ended.PromptTokens,
                CachedTokens = _totals.CachedTokens + ended.CachedTokens,
            };
        }
    }

    /// <summary>The latest that are kept and ended after one of them, in order.</summary>
    /// <param name="number">Of that one; 0 for all.</param>
    /// <param name="most">Of more than so many, the latest.</param>
    public EndedRequest[] After(long number, int most)
    {
        lock (_gate)
        {
            long last = _totals.Requests;
            // A number from before a restart of the server is greater than any.
            long after = number > last ? 0 : number;
            int count = (int)Math.Min(Math.Min(last - after, capacity), most);
            EndedRequest[] ended = new EndedRequest[count];
            for (int i = 0; i < count; i++)
                ended[i] = _ring[(last - count + i) % capacity];
            return ended;
        }
    }
}

/// <summary>Sums over all requests of a service that ended.</summary>
internal readonly record struct EndedTotals
{
    public long Requests { get; init; }

    public long Failed { get; init; }

    public long Handoffs { get; init; }

    public long TransferBytes { get; init; }

    public long PromptTokens { get; init; }

    public long CachedTokens { get; init; }
}
