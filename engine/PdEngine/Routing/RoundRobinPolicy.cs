namespace PdEngine;

/// <summary>Each worker in turn, by number, so that a death neither skips nor repeats another.</summary>
internal sealed class RoundRobinPolicy : RoutePolicy
{
    private int _lastWorker = int.MinValue;

    protected override int Choose(in RouteKey key, ReadOnlySpan<RouteCandidate> candidates)
    {
        int index = 0;
        while (index < candidates.Length && candidates[index].Worker <= _lastWorker)
            index++;
        index = index == candidates.Length ? 0 : index;
        _lastWorker = candidates[index].Worker;
        return index;
    }
}
