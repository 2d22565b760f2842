namespace PdEngine;

/// <summary>The less loaded of two workers drawn at random (Mitzenmacher 2001).</summary>
internal sealed class PowerOfTwoPolicy(ulong seed) : RoutePolicy
{
    protected override int Choose(in RouteKey key, ReadOnlySpan<RouteCandidate> candidates)
    {
        if (candidates.Length == 1)
            return 0;
        ulong draw = key.Draw(seed);
        int first = RouteHash.Below(draw, candidates.Length);
        int second = RouteHash.Below(RouteHash.Mix(draw, 1), candidates.Length - 1);
        if (second >= first)
            second++;
        (first, second) = (Math.Min(first, second), Math.Max(first, second));
        return RouteLoad.IsLess(candidates[second], candidates[first]) ? second : first;
    }
}
