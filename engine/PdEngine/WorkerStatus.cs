namespace PdEngine;

/// <summary>A worker at about one moment.</summary>
public sealed record WorkerStatus
{
    /// <summary>Its name, for example <c>prefill-0</c>.</summary>
    public required string Name { get; init; }

    /// <summary>What it does.</summary>
    public required WorkerType Role { get; init; }

    /// <summary>False once it has failed.</summary>
    public required bool IsAlive { get; init; }

    /// <summary>What it failed of; null while it lives.</summary>
    public required string? Failure { get; init; }

    /// <summary>Sequences that wait for blocks.</summary>
    public required int Queued { get; init; }

    /// <summary>Sequences whose prompt is being computed.</summary>
    public required int Prefilling { get; init; }

    /// <summary>Sequences handed over to it that wait for a place.</summary>
    public required int Arrived { get; init; }

    /// <summary>Sequences that make a token a step.</summary>
    public required int Decoding { get; init; }

    /// <summary>Steps computed.</summary>
    public required long Steps { get; init; }

    /// <summary>Tokens computed in chunks of prompts.</summary>
    public required long PrefillTokens { get; init; }

    /// <summary>Tokens generated.</summary>
    public required long OutputTokens { get; init; }

    /// <summary>KV blocks charged to it.</summary>
    public required int ChargedBlocks { get; init; }

    internal static WorkerStatus Of(WorkerSlot slot)
    {
        Worker worker = slot.Worker;
        WorkerSnapshot snapshot = worker.Snapshot();
        return new WorkerStatus
        {
            Name = slot.Name,
            Role = slot.Role,
            IsAlive = !worker.IsDead,
            Failure = worker.Failure?.Message,
            Queued = snapshot.QueuedCount,
            Prefilling = snapshot.PrefillingCount,
            Arrived = snapshot.ArrivedCount,
            Decoding = snapshot.DecodingCount,
            Steps = snapshot.StepCount,
            PrefillTokens = snapshot.PrefillTokenCount,
            OutputTokens = snapshot.GeneratedTokenCount,
            ChargedBlocks = worker.Space.ChargedBlocks,
        };
    }
}
