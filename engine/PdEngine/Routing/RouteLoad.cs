namespace PdEngine;

/// <summary>
/// Compares workers by load: sequences first, then prompt tokens, then the lower number.
/// </summary>
internal static class RouteLoad
{
    /// <summary>Sequences by which loads may differ however small they are.</summary>
    public const int SlackCount = 10;

    private const double SlackRatio = 1.2;

    public static bool IsLess(in RouteCandidate left, in RouteCandidate right) =>
        left.RequestCount != right.RequestCount
            ? left.RequestCount < right.RequestCount
            : left.PendingTokens < right.PendingTokens;

    /// <summary>Index of the least loaded; the first of equals.</summary>
    public static int Least(ReadOnlySpan<RouteCandidate> candidates)
    {
        int least = 0;
        for (int i = 1; i < candidates.Length; i++)
        {
            if (IsLess(candidates[i], candidates[least]))
                least = i;
        }
        return least;
    }

    /// <summary>A load is above the least one by more than the slack, both in number and in ratio.</summary>
    public static bool IsOverloaded(long load, long least, double slack = SlackCount) =>
        (double)load - least > slack && load > SlackRatio * least;
}
