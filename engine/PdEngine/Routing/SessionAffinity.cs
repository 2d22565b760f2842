namespace PdEngine;

/// <summary>
/// Lets a session's turns follow one another to the worker that holds its cache, unless that one is
/// overloaded or dead; then, and for requests without a session, another policy picks.
/// </summary>
internal sealed class SessionAffinity(RoutePolicy otherwise, TimeProvider clock) : RoutePolicy
{
    private readonly StickyWorkers _sessions = new(clock);

    public override void Forget(int worker)
    {
        _sessions.Forget(worker);
        otherwise.Forget(worker);
    }

    protected override int Choose(in RouteKey key, ReadOnlySpan<RouteCandidate> candidates)
    {
        if (key.SessionHash is not { } session)
            return otherwise.Pick(key, candidates);
        int index = Last(session, candidates) ?? otherwise.Pick(key, candidates);
        _sessions.Set(session, candidates[index].Worker);
        return index;
    }

    private int? Last(ulong session, ReadOnlySpan<RouteCandidate> candidates)
    {
        if (!_sessions.TryFind(session, out int worker) || IndexOf(candidates, worker) is not { } index)
            return null;
        int leastCount = candidates[RouteLoad.Least(candidates)].RequestCount;
        return RouteLoad.IsOverloaded(candidates[index].RequestCount, leastCount) ? null : index;
    }
}
