using PdEngine.Host;

namespace PdEngine.Tests;

/// <summary>Half a minute of a service that never was: a sample a second, all alike.</summary>
internal static class LoadRig
{
    public const int Seconds = 30;

    /// <summary>A worker over that time.</summary>
    public sealed record Load(string Name, WorkerType Role, double Busy)
    {
        public int Queued { get; init; }

        public int Arrived { get; init; }

        public int Decoding { get; init; }

        public int MaxRunning { get; init; } = 256;

        public double RetractionsPerMinute { get; init; }

        public double OutputPerSecond { get; init; } = 100;

        public string? Failure { get; init; }

        public string Devices { get; init; } = "1 core";
    }

    public static LoadWindow Window(params Load[] workers) => Window(heldPart: 0.4, workers);

    public static LoadWindow Window(double heldPart, params Load[] workers) =>
        LoadWindow.Of(Samples(heldPart, workers), Sizing.WindowSeconds)!;

    public static LoadWindow Window(double? handoffPart, Quantiles handoff, params Load[] workers) =>
        LoadWindow.Of([.. Samples(0.4, workers).Select(
            sample => sample with { HandoffPart = handoffPart, Handoff = handoff })], Sizing.WindowSeconds)!;

    public static LoadSample[] Samples(double heldPart, params Load[] workers) =>
        [.. Enumerable.Range(0, Seconds + 1).Select(second => Sample(second, heldPart, workers))];

    public static LoadSample Sample(int second, double heldPart, params Load[] workers)
    {
        int held = (int)(heldPart * 1000);
        PoolView pool = new()
        {
            TotalBlocks = 1000, FreeBlocks = 1000 - held, CachedBlocks = 0, PageSize = 16,
        };
        return new LoadSample
        {
            TimeMs = 1_700_000_000_000 + (second * 1000L),
            View = new()
            {
                Workers = [.. workers.Select(worker => View(worker, second))], Pools = [pool],
                LiveCount = 0, Live = [],
            },
            Ended = new() { Requests = second * 2, Handoffs = second },
            IsPaused = false,
            FirstToken = default,
            InterToken = default,
            Handoff = default,
        };
    }

    private static WorkerView View(Load worker, int second) => new()
    {
        Status = new()
        {
            Name = worker.Name, Role = worker.Role, IsAlive = worker.Failure is null,
            Failure = worker.Failure, Queued = worker.Queued, Prefilling = 0, Arrived = worker.Arrived,
            Decoding = worker.Decoding, Steps = second, PrefillTokens = second * 50,
            OutputTokens = (long)(second * worker.OutputPerSecond), ChargedBlocks = 0,
        },
        Devices = worker.Devices,
        Pool = 0,
        CapacityBlocks = 1000,
        MaxRunning = worker.MaxRunning,
        Busy = TimeSpan.FromSeconds(worker.Busy * second),
        Retractions = (long)(worker.RetractionsPerMinute * second / 60),
        CachedTokens = second * 50,
    };
}
