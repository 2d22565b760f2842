using System.Diagnostics;

namespace PdEngine.Bench;

/// <summary>
/// Times a row of ours and a peer's in turns, with the machine's limits before, between and after. Where a
/// limit moved too far meanwhile, the row is measured again.
/// </summary>
/// <param name="limits">The probes.</param>
/// <param name="arithmetic">What our row multiplies with.</param>
/// <param name="repeats">Turns.</param>
/// <param name="attempts">Most times that a row is measured.</param>
internal sealed class RowMeasure(MachineLimits limits, Arithmetic arithmetic, int repeats, int attempts)
{
    /// <summary>A row whose limits moved further than this is measured again.</summary>
    public const double AllowedMovement = 0.25;

    // Steps in a row, as an engine makes them: the first of them finds its threads asleep.
    private const int StepsPerTurn = 4;

    /// <summary>Median times of the attempt whose limits moved least.</summary>
    /// <param name="row">What is timed.</param>
    /// <param name="ours">Our side of it.</param>
    /// <param name="peer">The peer's side, or null.</param>
    public RowTimes Measure(ModelRowSpec row, IRowRun ours, IRowRun? peer)
    {
        if (!row.IsLong)
        {
            Time(ours, 1, []);
            if (peer is not null)
                Time(peer, 1, []);
        }
        RowTimes best = Attempt(row, ours, peer);
        int made = 1;
        for (; made < attempts && best.Movement > AllowedMovement; made++)
        {
            RowTimes again = Attempt(row, ours, peer);
            best = again.Movement < best.Movement ? again : best;
        }
        return best with { Attempts = made };
    }

    private RowTimes Attempt(ModelRowSpec row, IRowRun ours, IRowRun? peer)
    {
        int turns = row.IsLong ? Math.Min(repeats, 3) : repeats;
        int steps = row.Phase == "decode" ? StepsPerTurn : 1;
        List<double> our = [], peers = [];
        List<LimitReading> readings = [limits.Read(arithmetic)];
        for (int turn = 0; turn < turns; turn++)
        {
            Time(ours, steps, our);
            if (peer is not null)
                Time(peer, steps, peers);
            if (turn == (turns - 1) / 2 && turns > 1)
                readings.Add(limits.Read(arithmetic));
        }
        readings.Add(limits.Read(arithmetic));
        return new RowTimes(
            new Quantiles(our).At(0.5), peer is null ? 0 : new Quantiles(peers).At(0.5), our.Count,
            LimitReading.Median(readings), LimitReading.Movement(readings), 1);
    }

    private static void Time(IRowRun run, int steps, List<double> seconds)
    {
        run.Prepare();
        for (int step = 0; step < steps; step++)
        {
            long start = Stopwatch.GetTimestamp();
            run.Run();
            seconds.Add(Stopwatch.GetElapsedTime(start).TotalSeconds);
        }
    }
}

/// <summary>What a row took.</summary>
/// <param name="Seconds">Our median.</param>
/// <param name="PeerSeconds">The peer's; 0 where there is none.</param>
/// <param name="Runs">Timed runs of ours.</param>
/// <param name="Limits">Medians of the readings.</param>
/// <param name="Movement">How far they lie apart.</param>
/// <param name="Attempts">Times measured.</param>
internal sealed record RowTimes(
    double Seconds, double PeerSeconds, int Runs, LimitReading Limits, double Movement, int Attempts);
