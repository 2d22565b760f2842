namespace PdEngine;

/// <summary>Any worker, each as likely.</summary>
internal sealed class RandomPolicy(ulong seed) : RoutePolicy
{
    protected override int Choose(in RouteKey key, ReadOnlySpan<RouteCandidate> candidates) =>
        RouteHash.Below(key.Draw(seed), candidates.Length);
}
