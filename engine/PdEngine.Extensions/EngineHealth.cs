using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace PdEngine;

/// <summary>
/// Healthy with all workers alive, degraded with some, unhealthy with none or before the engine is loaded.
/// </summary>
/// <param name="hosted">The engine that is asked.</param>
public sealed class EngineHealth(HostedEngine hosted) : IHealthCheck
{
    /// <inheritdoc/>
    public Task<HealthCheckResult> CheckHealthAsync(
        HealthCheckContext context, CancellationToken cancellationToken = default) =>
        Task.FromResult(hosted.Current is { } engine
            ? Of([.. engine.Models.SelectMany(model => model.Workers)])
            : HealthCheckResult.Unhealthy(
                hosted.Failure is null ? "the engine is not loaded" : "the engine could not be loaded",
                hosted.Failure));

    internal static HealthCheckResult Of(IReadOnlyList<WorkerStatus> workers)
    {
        Dictionary<string, object> facts = new(StringComparer.Ordinal)
        {
            ["workers"] = workers.Count,
            ["queued"] = workers.Sum(worker => worker.Queued),
            ["running"] = workers.Sum(worker => worker.Prefilling + worker.Arrived + worker.Decoding),
        };
        WorkerStatus[] dead = [.. workers.Where(worker => !worker.IsAlive)];
        if (dead.Length == 0)
            return HealthCheckResult.Healthy(data: facts);
        string text = string.Join("; ", dead.Select(worker => $"{worker.Name} failed: {worker.Failure}"));
        return dead.Length < workers.Count
            ? HealthCheckResult.Degraded(text, data: facts)
            : HealthCheckResult.Unhealthy(text, data: facts);
    }
}
