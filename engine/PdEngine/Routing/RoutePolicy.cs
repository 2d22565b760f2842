namespace PdEngine;

/// <summary>
/// Picks the worker of a request. A pick is a function of the seed, the clock and the picks before it; its
/// caller serialises the calls.
/// </summary>
internal abstract class RoutePolicy
{
    /// <summary>A policy with no memory yet.</summary>
    /// <param name="kind">Which.</param>
    /// <param name="seed">Stands in for chance.</param>
    /// <param name="clock">Ages what is remembered of keys and sessions.</param>
    public static RoutePolicy Create(RouterPolicy kind, ulong seed, TimeProvider clock) => kind switch
    {
        RouterPolicy.CacheAware => new SessionAffinity(new CacheAwarePolicy(), clock),
        RouterPolicy.RoundRobin => new SessionAffinity(new RoundRobinPolicy(), clock),
        RouterPolicy.Random => new SessionAffinity(new RandomPolicy(seed), clock),
        RouterPolicy.PowerOfTwo => new SessionAffinity(new PowerOfTwoPolicy(seed), clock),
        RouterPolicy.PrefixHash => new SessionAffinity(new PrefixHashPolicy(), clock),
        RouterPolicy.Bucket => new SessionAffinity(new BucketPolicy(), clock),
        RouterPolicy.ConsistentHashing => new ConsistentHashingPolicy(seed),
        RouterPolicy.Manual => new ManualPolicy(clock),
        _ => throw new InvariantException($"no routing policy {kind}"),
    };

    /// <summary>Chooses among live workers.</summary>
    /// <param name="key">The request.</param>
    /// <param name="candidates">At least one, in ascending order of their numbers.</param>
    /// <returns>An index into the candidates.</returns>
    public int Pick(in RouteKey key, ReadOnlySpan<RouteCandidate> candidates)
    {
        Check.That(candidates.Length > 0);
        int index = Choose(key, candidates);
        Check.That((uint)index < (uint)candidates.Length);
        return index;
    }

    /// <summary>A worker died: what is remembered of it no longer holds.</summary>
    public virtual void Forget(int worker)
    {
    }

    /// <summary>Index of a worker; null when it is not among the live ones.</summary>
    protected static int? IndexOf(ReadOnlySpan<RouteCandidate> candidates, int worker)
    {
        for (int i = 0; i < candidates.Length; i++)
        {
            if (candidates[i].Worker == worker)
                return i;
        }
        return null;
    }

    protected abstract int Choose(in RouteKey key, ReadOnlySpan<RouteCandidate> candidates);
}
