namespace PdEngine.Host;

/// <summary>A service at one moment; what only grows counts from the start of the server.</summary>
internal sealed record LoadSample
{
    public required long TimeMs { get; init; }

    public required ModelView View { get; init; }

    public required EndedTotals Ended { get; init; }

    public required bool IsPaused { get; init; }

    /// <summary>In ms, of requests that ended in the last ten seconds.</summary>
    public required Quantiles FirstToken { get; init; }

    /// <inheritdoc cref="FirstToken"/>
    public required Quantiles InterToken { get; init; }

    /// <inheritdoc cref="FirstToken"/>
    public required Quantiles Handoff { get; init; }

    /// <summary>
    /// The part that hand-offs took of the time of the same requests, of those that were handed over; null
    /// where none was.
    /// </summary>
    public double? HandoffPart { get; init; }

    public int Queued => View.Workers.Sum(worker => worker.Status.Queued);

    public int Arrived => View.Workers.Sum(worker => worker.Status.Arrived);

    public int Decoding => View.Workers.Sum(worker => worker.Status.Decoding);

    public long OutputTokens => View.Workers.Sum(worker => worker.Status.OutputTokens);

    public long PrefillTokens => View.Workers.Sum(worker => worker.Status.PrefillTokens);

    public long CachedTokens => View.Workers.Sum(worker => worker.CachedTokens);

    public long Retractions => View.Workers.Sum(worker => worker.Retractions);

    /// <summary>The part of the fullest pool that sequences hold.</summary>
    public double HeldPart => View.Pools.Count == 0
        ? 0
        : View.Pools.Max(pool => (double)pool.HeldBlocks / pool.TotalBlocks);
}
