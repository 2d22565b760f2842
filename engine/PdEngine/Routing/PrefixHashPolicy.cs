namespace PdEngine;

/// <summary>
/// One prefix, one worker, but none takes more than a quarter above its even share: what does not fit goes on
/// to the next of the ring (Mirrokni, Thorup and Zadimoghaddam 2016).
/// </summary>
internal sealed class PrefixHashPolicy : RoutePolicy
{
    /// <summary>Prompts that agree on so many tokens meet on one worker.</summary>
    public const int PrefixTokens = 256;

    private readonly HashRing _ring = new();

    protected override int Choose(in RouteKey key, ReadOnlySpan<RouteCandidate> candidates)
    {
        ReadOnlySpan<int> prompt = key.PromptTokens.Span;
        ulong hash = RouteHash.Of(prompt[..Math.Min(prompt.Length, PrefixTokens)]);
        long total = 1;
        foreach (RouteCandidate candidate in candidates)
            total += candidate.RequestCount;
        long divisor = 4L * candidates.Length;
        long capacityCount = ((5 * total) + divisor - 1) / divisor;
        return _ring.Find(hash, candidates, (int)Math.Min(capacityCount - 1, int.MaxValue));
    }
}
