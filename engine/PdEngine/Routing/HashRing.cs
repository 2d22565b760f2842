namespace PdEngine;

/// <summary>
/// Workers at many points each on a circle of hashes; a hash belongs to the next point's worker. When a
/// worker comes or goes, only the hashes before its own points change hands.
/// </summary>
internal sealed class HashRing
{
    /// <summary>Shares of the circle differ by about one part in the root of this.</summary>
    private const int PointsPerWorker = 160;

    private readonly List<int> _workers = [];
    private ulong[] _points = [];
    private int[] _owners = [];

    /// <summary>The first worker from a hash on whose load is within a bound.</summary>
    /// <param name="hash">Where to start.</param>
    /// <param name="candidates">The workers on the ring.</param>
    /// <param name="maxRequestCount">The bound; at least one worker is within it.</param>
    /// <returns>An index into the candidates.</returns>
    public int Find(ulong hash, ReadOnlySpan<RouteCandidate> candidates, int maxRequestCount = int.MaxValue)
    {
        if (!Holds(candidates))
            Place(candidates);
        int start = Array.BinarySearch(_points, hash);
        start = start < 0 ? ~start : start;
        for (int step = 0; step < _points.Length; step++)
        {
            int owner = _owners[(start + step) % _owners.Length];
            if (candidates[owner].RequestCount <= maxRequestCount)
                return owner;
        }
        throw new InvariantException("no worker of the ring is within the bound on load");
    }

    private bool Holds(ReadOnlySpan<RouteCandidate> candidates)
    {
        if (candidates.Length != _workers.Count)
            return false;
        for (int i = 0; i < candidates.Length; i++)
        {
            if (candidates[i].Worker != _workers[i])
                return false;
        }
        return true;
    }

    private void Place(ReadOnlySpan<RouteCandidate> candidates)
    {
        _workers.Clear();
        _points = new ulong[candidates.Length * PointsPerWorker];
        _owners = new int[_points.Length];
        for (int i = 0; i < _points.Length; i++)
        {
            int owner = i / PointsPerWorker;
            if (i % PointsPerWorker == 0)
                _workers.Add(candidates[owner].Worker);
            _owners[i] = owner;
            _points[i] = RouteHash.Mix((ulong)candidates[owner].Worker, (ulong)(i % PointsPerWorker));
        }
        Array.Sort(_points, _owners);
    }
}
