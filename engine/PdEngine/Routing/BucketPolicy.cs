namespace PdEngine;

/// <summary>
/// Short prompts to the first workers, long ones to the last, so that no short one waits behind a long one.
/// The bounds between them follow the lengths seen of late and give each worker the same tokens to compute.
/// </summary>
/// <remarks>
/// Even tokens mean uneven request counts, so loads are compared by pending tokens while there are any.
/// </remarks>
internal sealed class BucketPolicy : RoutePolicy
{
    private const int WindowCount = 512;
    private const int PicksPerRevision = 16;

    private readonly int[] _lengths = new int[WindowCount];
    private readonly int[] _sorted = new int[WindowCount];
    private int[] _bounds = [];
    private long _pickCount;
    private double _meanTokens;

    protected override int Choose(in RouteKey key, ReadOnlySpan<RouteCandidate> candidates)
    {
        int length = key.PromptTokens.Length;
        _lengths[_pickCount % WindowCount] = length;
        if (_pickCount++ % PicksPerRevision == 0 || _bounds.Length != candidates.Length - 1)
            Revise(candidates.Length);
        bool byTokens = false;
        foreach (RouteCandidate candidate in candidates)
            byTokens |= candidate.PendingTokens > 0;
        int chosen = Least(candidates, Bucket(length, inclusive: false), Bucket(length, true), byTokens);
        int least = Least(candidates, 0, candidates.Length - 1, byTokens);
        double slack = RouteLoad.SlackCount * (byTokens ? _meanTokens : 1);
        long load = Load(candidates[chosen], byTokens), leastLoad = Load(candidates[least], byTokens);
        return RouteLoad.IsOverloaded(load, leastLoad, slack) ? least : chosen;
    }

    private static long Load(in RouteCandidate candidate, bool byTokens) =>
        byTokens ? candidate.PendingTokens : candidate.RequestCount;

    private static int Least(ReadOnlySpan<RouteCandidate> candidates, int first, int last, bool byTokens)
    {
        int least = first;
        for (int i = first + 1; i <= last; i++)
        {
            long load = Load(candidates[i], byTokens), leastLoad = Load(candidates[least], byTokens);
            if (load < leastLoad || (load == leastLoad && RouteLoad.IsLess(candidates[i], candidates[least])))
                least = i;
        }
        return least;
    }

    /// <summary>
    /// The first or the last bucket of a length. They differ when the length is itself a bound, as it is when
    /// most prompts are equally long.
    /// </summary>
    private int Bucket(int length, bool inclusive)
    {
        int bucket = 0;
        while (bucket < _bounds.Length && (_bounds[bucket] < length ||
            (inclusive && _bounds[bucket] == length)))
        {
            bucket++;
        }
        return bucket;
    }

    private void Revise(int bucketCount)
    {
        if (_bounds.Length != bucketCount - 1)
            _bounds = new int[bucketCount - 1];
        int count = (int)Math.Min(_pickCount, WindowCount);
        Span<int> sorted = _sorted.AsSpan(0, count);
        _lengths.AsSpan(0, count).CopyTo(sorted);
        sorted.Sort();
        long total = 0;
        foreach (int length in sorted)
            total += length;
        _meanTokens = (double)total / count;
        long sum = 0;
        int bound = 0;
        for (int i = 0; i < count; i++)
        {
            sum += sorted[i];
            while (bound < _bounds.Length && sum * bucketCount >= total * (bound + 1))
                _bounds[bound++] = sorted[i];
        }
    }
}
