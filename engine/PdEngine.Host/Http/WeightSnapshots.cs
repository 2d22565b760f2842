using System.Collections.Concurrent;

namespace PdEngine.Host;

/// <summary>Checksums of weights that were taken to compare later ones with.</summary>
internal sealed class WeightSnapshots
{
    private readonly ConcurrentDictionary<string, IReadOnlyDictionary<string, string>> _byService = new();

    public void Keep(string service, IReadOnlyDictionary<string, string> sums) => _byService[service] = sums;

    /// <summary>Names of tensors that differ; null where nothing was kept.</summary>
    public string[]? Differing(string service, IReadOnlyDictionary<string, string> sums) =>
        _byService.TryGetValue(service, out IReadOnlyDictionary<string, string>? kept)
            ? [.. sums.Where(sum => kept.GetValueOrDefault(sum.Key) != sum.Value).Select(sum => sum.Key)]
            : null;
}
