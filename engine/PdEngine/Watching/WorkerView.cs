namespace PdEngine;

/// <summary>A worker at about one moment: what it is on, what it has to do and how much it did.</summary>
internal sealed record WorkerView
{
    public required WorkerStatus Status { get; init; }

    /// <summary>For example <c>2 cores</c> or <c>cuda:0</c>.</summary>
    public required string Devices { get; init; }

    /// <summary>Which of the service's pools it takes blocks from.</summary>
    public required int Pool { get; init; }

    /// <summary>Most KV blocks that it may be charged.</summary>
    public required int CapacityBlocks { get; init; }

    /// <summary>Most sequences that run here at once.</summary>
    public required int MaxRunning { get; init; }

    /// <summary>Time spent computing since it was started.</summary>
    public required TimeSpan Busy { get; init; }

    /// <summary>Times a sequence gave its blocks back and was queued again.</summary>
    public required long Retractions { get; init; }

    /// <summary>Prompt tokens that the prefix cache supplied.</summary>
    public required long CachedTokens { get; init; }

    public static WorkerView Of(
        WorkerSlot slot, IReadOnlyList<IBackend> devices, int pool, TimeProvider clock)
    {
        Worker worker = slot.Worker;
        WorkerSnapshot snapshot = worker.Snapshot();
        // A step may take seconds: it counts as it goes.
        long startTicks = worker.BusySinceTicks;
        long runningTicks = startTicks == 0 ? 0 : Math.Max(0, clock.GetTimestamp() - startTicks);
        return new()
        {
            Status = WorkerStatus.Of(slot),
            Devices = Describe(devices),
            Pool = pool,
            CapacityBlocks = worker.Space.CapacityBlocks,
            MaxRunning = worker.MaxRunningSequences,
            Busy = clock.GetElapsedTime(0, snapshot.BusyTicks + runningTicks),
            Retractions = snapshot.RetractionCount,
            CachedTokens = snapshot.CachedTokenCount,
        };
    }

    private static string Describe(IReadOnlyList<IBackend> devices)
    {
        int cores = devices.OfType<CpuBackend>().Sum(device => device.ThreadCount);
        if (cores > 0)
            return cores == 1 ? "1 core" : $"{cores} cores";
        return string.Join(", ", devices.Select(
            device => device.Memory == MemoryDomain.Host ? device.Name : device.Memory.Name).Distinct());
    }
}
