using PdEngine.Bench;

namespace PdEngine.Tests;

/// <summary>The arithmetic of <c>bench pd</c>, on traces written by hand.</summary>
public sealed class PdFiguresTests
{
    private const double Tolerance = 1e-6;

    [TestCase(0.5, 5)]
    [TestCase(0.51, 6)]
    [TestCase(0.9, 9)]
    [TestCase(0.99, 10)]
    [TestCase(1, 10)]
    [TestCase(0.001, 1)]
    public void A_quantile_is_the_value_of_the_nearest_rank(double share, double expected)
    {
        Quantiles quantiles = new([10, 1, 9, 2, 8, 3, 7, 4, 6, 5]);
        Assert.That(quantiles.At(share), Is.EqualTo(expected));
    }

    [Test]
    public void Quantiles_of_nothing_are_zero()
    {
        Quantiles none = new([]);
        Assert.That((none.At(0.5), none.Max, none.ShareAbove(0.5)), Is.EqualTo((0.0, 0.0, 0.0)));
    }

    [Test]
    public void The_stalled_share_is_time_and_a_gap_of_the_threshold_itself_is_no_stall()
    {
        Quantiles gaps = new([0.5, 1.5, 0.25, 0.75, 0]);
        Assert.That(gaps.ShareAbove(0.5), Is.EqualTo(2.25 / 3).Within(Tolerance));
    }

    [Test]
    public void Gaps_begin_with_the_clock_and_tokens_that_come_together_are_none_apart()
    {
        TokenArrival[] arrivals =
        [
            new(Traces.At(-50), 2), new(Traces.At(-10), 1), new(Traces.At(20), 1), new(Traces.At(30), 3),
            new(Traces.At(130), 1),
        ];
        double[] gaps = [.. PdFigures.Gaps(arrivals, Traces.Start)];
        Assert.That(gaps, Is.EqualTo(new[] { 0.01, 0, 0, 0.1 }).Within(Tolerance));
    }

    [Test]
    public void Streams_give_gaps_and_the_injected_prompt_gives_the_time_to_first_token()
    {
        RequestTrace stream =
            Traces.Request(RequestRole.Stream, 0, -900, Traces.Arrivals(-5, 0, 100, 1100, 1200), 50);
        RequestTrace injected =
            Traces.Request(RequestRole.Injected, 1, 150, Traces.Arrivals(1050, 2000), 350) with
            {
                CachedTokens = 40,
            };
        PdFigures figures = PdFigures.Of(new LoadTrace(Traces.Start, [stream, injected]), 0.5);
        Assert.Multiple(() =>
        {
            Assert.That(figures.FirstTokenSeconds.Count, Is.EqualTo(1));
            Assert.That(figures.FirstTokenSeconds.At(0.99), Is.EqualTo(0.9).Within(Tolerance));
            Assert.That(figures.GapSeconds.Count, Is.EqualTo(3));
            Assert.That(figures.GapSeconds.Max, Is.EqualTo(1).Within(Tolerance));
            Assert.That(figures.StalledShare, Is.EqualTo(1 / 1.2).Within(Tolerance));
            Assert.That(figures.WallSeconds, Is.EqualTo(2).Within(Tolerance));
            Assert.That(figures.OutputTokens, Is.EqualTo(5), "tokens before and at the start do not count");
            Assert.That(figures.TokensPerSecond, Is.EqualTo(2.5).Within(Tolerance));
            Assert.That(figures.TotalTokensPerSecond, Is.EqualTo(355 / 2.0).Within(Tolerance));
            Assert.That(figures.CachedShare, Is.EqualTo(0.1).Within(Tolerance));
            Assert.That(figures.HandoffSeconds.Count, Is.Zero);
        });
    }

    [Test]
    public void Only_requests_that_were_handed_off_count_as_hand_offs()
    {
        RequestTrace local = Traces.Request(RequestRole.Turn, 0, 0, Traces.Arrivals(10, 20)) with
        {
            Timings = new() { TransferQueueNs = 9 }, TransferBytes = 9,
        };
        RequestTrace copied = local with
        {
            PdPath = PdPath.Copy, TransferBytes = 640, HandoffBlocks = 3,
            Timings = new()
            {
                PrefillForwardNs = 7, TransferQueueNs = 1_500_000, HandoffNs = 1_800_000,
                DecodeAllocWaitNs = 300_000, DecodeTransferNs = 200_000, DecodeForwardNs = 7,
            },
        };
        PdFigures figures = PdFigures.Of(new LoadTrace(Traces.Start, [local, copied]), 0.5);
        Assert.That(figures.HandoffSeconds.Count, Is.EqualTo(1));
        Assert.That(figures.HandoffSeconds.At(0.5), Is.EqualTo(0.002).Within(Tolerance));
        Assert.That(figures.HandoffQueueSeconds.Max, Is.EqualTo(0.0015).Within(Tolerance));
        Assert.That(figures.HandoffWaitSeconds.Max, Is.EqualTo(0.0003).Within(Tolerance));
        Assert.That(figures.HandoffCopySeconds.Max, Is.EqualTo(0.0002).Within(Tolerance));
        Assert.That((figures.TransferBytes, figures.HandoffBlocks), Is.EqualTo((640L, 3L)));
    }

    [Test]
    public void The_median_run_by_rate_stands_for_its_arm()
    {
        PdRun[] runs =
        [
            .. new double[] { 400, 100, 200 }.Select(end => Traces.Run(
                "pd", Traces.Request(RequestRole.Turn, 0, 0, Traces.Arrivals(50, end)))),
        ];
        PdRow row = new(runs);
        Assert.That(row.Median, Is.SameAs(runs[2]));
        Assert.That(row.MinTokensPerSecond, Is.EqualTo(5).Within(Tolerance));
        Assert.That(row.MaxTokensPerSecond, Is.EqualTo(20).Within(Tolerance));
        Assert.That(row.IsAsNamed, Is.False, "nothing was handed off");
    }

    [Test]
    public void Targets_are_met_or_missed_by_their_own_figures()
    {
        PdRun chunked = Traces.Run(
            PdArm.Reference, Traces.Request(RequestRole.Stream, 0, 0, Traces.Arrivals(0, 100, 1900, 2000)));
        RequestTrace smooth = Traces.Request(RequestRole.Stream, 0, 0, Traces.Arrivals(0, 600, 1200, 2300));
        PdRun apart = Traces.Run("pd", smooth with
        {
            PdPath = PdPath.Handoff, Timings = new() { HandoffNs = 900_000 },
        });
        string[] verdicts = [.. PdTarget.Of(Traces.Result(chunked, apart)).Select(
            target => $"{target.Figure} {target.IsMet}")];
        Assert.That(verdicts,
            Is.EqualTo(new[] { "0.900 ms True", "1.6x False", "0.9x False", "-13.0% False" }));
    }
}
