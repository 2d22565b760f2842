namespace PdEngine.Bench;

/// <summary>The time of one call, shared out among its stages: what one leaves the next ones have.</summary>
internal sealed class CheckBudget
{
    /// <summary>Of rows whose like were not computed before; the first that fits holds.</summary>
    private static readonly (string Prefix, double Seconds)[] Usual =
    [
        ("peer/", 80), ("verify/sanitizer", 90), ("verify/engine", 30), ("verify/", 15), ("serve/", 45),
        ("model/", 20), ("profile/", 15), ("ceiling/", 10), ("", 5),
    ];

    private const double Margin = 1.3;

    private readonly TimeSpan _total;
    private readonly TimeProvider _clock;
    private readonly long _start;
    private TimeSpan _stageEnd;
    private int _stagesLeft;

    public CheckBudget(TimeSpan total, int stageCount, TimeProvider clock)
    {
        (_total, _stagesLeft, _clock) = (total, stageCount, clock);
        _start = clock.GetTimestamp();
    }

    public TimeSpan Elapsed => _clock.GetElapsedTime(_start);

    public TimeSpan Remaining => _total - Elapsed;

    public void BeginStage()
    {
        _stageEnd = Elapsed + (Remaining / Math.Max(1, _stagesLeft));
        _stagesLeft--;
    }

    /// <summary>Whether a row would end within the stage's time.</summary>
    public bool Allows(string row, CheckJournal journal) => Elapsed + Estimate(row, journal) <= _stageEnd;

    /// <summary>As long as the longest of its kind took so far.</summary>
    private static TimeSpan Estimate(string row, CheckJournal journal) => TimeSpan.FromSeconds(
        journal.MostSeconds(row.Split(' ')[0]) is { } seconds
            ? seconds * Margin
            : Usual.First(usual => row.StartsWith(usual.Prefix, StringComparison.Ordinal)).Seconds);
}
