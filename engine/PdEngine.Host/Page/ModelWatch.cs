namespace PdEngine.Host;

/// <summary>Remembers of one service what the page shows.</summary>
internal sealed class ModelWatch : IDisposable
{
    /// <summary>Requests that ended, kept for the page.</summary>
    public const int EndedCapacity = 1024;

    /// <summary>Requests in flight that the page tells one by one.</summary>
    public const int MostLive = 24;

    private const long RecentMs = 10_000;

    private readonly TimeProvider _clock;

    public ModelWatch(EngineModel model, TimeProvider clock)
    {
        Model = model;
        _clock = clock;
        Ended = new(EndedCapacity, clock);
        History = new(Take, clock);
        model.RequestEnded += Ended.Add;
    }

    public EngineModel Model { get; }

    public EndedRequests Ended { get; }

    public LoadHistory History { get; }

    public void Dispose() => Model.RequestEnded -= Ended.Add;

    private LoadSample Take()
    {
        long nowMs = _clock.GetUtcNow().ToUnixTimeMilliseconds();
        EndedRequest[] recent = [.. Ended.After(0, EndedCapacity)
            .Where(ended => nowMs - ended.EndedMs <= RecentMs && ended.Reason != FinishReason.Error)];
        return new LoadSample
        {
            TimeMs = nowMs,
            View = Model.View(mostLive: 0),
            Ended = Ended.Totals,
            IsPaused = Model.IsPaused,
            FirstToken = Quantiles.Of(recent.Select(ended => ended.FirstToken?.TotalMilliseconds)),
            InterToken = Quantiles.Of(recent.Select(ended => ended.InterTokenMs)),
            Handoff = Quantiles.Of(recent.Select(ended => ended.HandoffMs)),
            HandoffPart = HandoffPartOf(recent),
        };
    }

    private static double? HandoffPartOf(EndedRequest[] recent)
    {
        double all = recent.Where(ended => ended.HandoffMs is not null)
            .Sum(ended => ended.Timings.TotalNs / 1e6);
        return all > 0 ? recent.Sum(ended => ended.HandoffMs ?? 0) / all : null;
    }
}
