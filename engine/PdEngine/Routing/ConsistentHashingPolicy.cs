namespace PdEngine;

/// <summary>
/// One key, one worker, whatever the load; the same in every process. Requests without a key go anywhere.
/// </summary>
internal sealed class ConsistentHashingPolicy(ulong seed) : RoutePolicy
{
    private readonly HashRing _ring = new();

    protected override int Choose(in RouteKey key, ReadOnlySpan<RouteCandidate> candidates) =>
        key.KeyHash is { } hash
            ? _ring.Find(hash, candidates)
            : RouteHash.Below(key.Draw(seed), candidates.Length);
}
