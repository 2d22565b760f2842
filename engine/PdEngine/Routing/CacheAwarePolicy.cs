namespace PdEngine;

/// <summary>
/// The worker that has most of the prompt cached, where that is worth it; the least loaded when little is
/// cached or when loads have drifted apart.
/// </summary>
internal sealed class CacheAwarePolicy : RoutePolicy
{
    /// <summary>Share of the prompt from which on its cache decides, in tenths.</summary>
    private const long MinCachedTenths = 3;

    protected override int Choose(in RouteKey key, ReadOnlySpan<RouteCandidate> candidates)
    {
        int least = RouteLoad.Least(candidates);
        int longest = least;
        int maxRequestCount = 0;
        for (int i = 0; i < candidates.Length; i++)
        {
            maxRequestCount = Math.Max(maxRequestCount, candidates[i].RequestCount);
            if (IsBetter(candidates[i], candidates[longest]))
                longest = i;
        }
        bool isWorthIt = candidates[longest].CachedTokens * 10L >= key.PromptTokens.Length * MinCachedTenths;
        bool isUneven = RouteLoad.IsOverloaded(maxRequestCount, candidates[least].RequestCount);
        return isWorthIt && !isUneven ? longest : least;
    }

    /// <summary>Workers of one memory domain share a cache, so equal prefixes are the rule.</summary>
    private static bool IsBetter(in RouteCandidate left, in RouteCandidate right) =>
        left.CachedTokens != right.CachedTokens
            ? left.CachedTokens > right.CachedTokens
            : RouteLoad.IsLess(left, right);
}
