using System.Diagnostics;

namespace PdEngine.Bench;

/// <summary>The figures of one run of a load, all from the client's side but the hand-off's.</summary>
internal sealed record PdFigures
{
    /// <summary>Submission to first token, of injected prompts and turns.</summary>
    public required Quantiles FirstTokenSeconds { get; init; }

    /// <summary>
    /// Between one token of a stream or turn and the next; tokens seen at once are 0 apart.
    /// </summary>
    public required Quantiles GapSeconds { get; init; }

    /// <summary>Share of all that time that lies in gaps over the threshold.</summary>
    public required double StalledShare { get; init; }

    /// <summary>From the start of the clock to the last token.</summary>
    public required double WallSeconds { get; init; }

    /// <summary>Tokens made in that time.</summary>
    public required int OutputTokens { get; init; }

    /// <summary>Prompts that came in that time, cached tokens included: the same in every arm.</summary>
    public required int PromptTokens { get; init; }

    /// <summary>Cached prompt tokens over all prompt tokens.</summary>
    public required double CachedShare { get; init; }

    /// <summary>
    /// First token to the decode worker's having the blocks, of requests that were handed off, less the step
    /// that the decode worker was in.
    /// </summary>
    public required Quantiles HandoffSeconds { get; init; }

    /// <summary>Until the decode worker took the sequence up, its running step included.</summary>
    public required Quantiles HandoffQueueSeconds { get; init; }

    /// <summary>Waiting for blocks there.</summary>
    public required Quantiles HandoffWaitSeconds { get; init; }

    /// <summary>Copying.</summary>
    public required Quantiles HandoffCopySeconds { get; init; }

    public required long HandoffBlocks { get; init; }

    public required long TransferBytes { get; init; }

    public double TokensPerSecond => OutputTokens / WallSeconds;

    /// <summary>Prompts and output.</summary>
    public double TotalTokensPerSecond => (OutputTokens + PromptTokens) / WallSeconds;

    public static PdFigures Of(LoadTrace trace, double stallSeconds)
    {
        RequestTrace[] measured = [.. trace.Requests];
        IEnumerable<RequestTrace> prompts =
            measured.Where(request => request.Request.Role is not RequestRole.Stream);
        Quantiles gaps = new(measured.Where(request => request.Request.Role is not RequestRole.Injected)
            .SelectMany(request => Gaps(request.Arrivals, trace.StartTicks)));
        RequestTrace[] handedOff = [.. measured.Where(request => request.PdPath is not PdPath.Local)];
        return new PdFigures
        {
            FirstTokenSeconds =
                new(prompts.Select(request => Seconds(request.SubmittedTicks, request.FirstTicks))),
            GapSeconds = gaps,
            StalledShare = gaps.ShareAbove(stallSeconds),
            WallSeconds = Seconds(trace.StartTicks, trace.EndTicks),
            OutputTokens = measured.Sum(request => request.Arrivals
                .Where(arrival => arrival.Ticks > trace.StartTicks).Sum(arrival => arrival.Count)),
            PromptTokens = prompts.Sum(request => request.Request.Prompt.Length),
            CachedShare = measured.Sum(request => (double)request.CachedTokens)
                / measured.Sum(request => request.Request.Prompt.Length),
            HandoffSeconds = new(handedOff.Select(request => request.HandoffSeconds)),
            HandoffQueueSeconds = new(handedOff.Select(request => request.Timings.TransferQueueNs / 1e9)),
            HandoffWaitSeconds = new(handedOff.Select(request => request.Timings.DecodeAllocWaitNs / 1e9)),
            HandoffCopySeconds = new(handedOff.Select(request => request.Timings.DecodeTransferNs / 1e9)),
            HandoffBlocks = handedOff.Sum(request => (long)request.HandoffBlocks),
            TransferBytes = handedOff.Sum(request => request.TransferBytes),
        };
    }

    /// <summary>Time before each token but the first, from the start of the clock on.</summary>
    internal static IEnumerable<double> Gaps(IReadOnlyList<TokenArrival> arrivals, long startTicks)
    {
        for (int i = 0; i < arrivals.Count; i++)
        {
            if (arrivals[i].Ticks < startTicks)
                continue;
            if (i > 0 && arrivals[i - 1].Ticks >= startTicks)
                yield return Seconds(arrivals[i - 1].Ticks, arrivals[i].Ticks);
            for (int together = 1; together < arrivals[i].Count; together++)
                yield return 0;
        }
    }

    private static double Seconds(long from, long to) => Stopwatch.GetElapsedTime(from, to).TotalSeconds;
}
