namespace PdEngine;

/// <summary>
/// A key stays with the worker it first met, whatever the load, while that one lives. The first time, and
/// without a key, the least loaded is taken.
/// </summary>
internal sealed class ManualPolicy(TimeProvider clock) : RoutePolicy
{
    private readonly StickyWorkers _workers = new(clock);

    public override void Forget(int worker) => _workers.Forget(worker);

    protected override int Choose(in RouteKey key, ReadOnlySpan<RouteCandidate> candidates)
    {
        int least = RouteLoad.Least(candidates);
        if (key.KeyHash is not { } hash)
            return least;
        int index = _workers.TryFind(hash, out int worker) ? IndexOf(candidates, worker) ?? least : least;
        _workers.Set(hash, candidates[index].Worker);
        return index;
    }
}
