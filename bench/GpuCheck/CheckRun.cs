using System.Diagnostics;
using System.Globalization;

namespace PdEngine.Bench;

/// <summary>Computes the rows of stages, one by one, and keeps the report.</summary>
/// <param name="settings">What is asked for.</param>
/// <param name="journal">The report.</param>
/// <param name="budget">The time for it.</param>
/// <param name="isUsable">Whether the GPU still takes work.</param>
/// <param name="end">Ends the process, whatever its threads wait for.</param>
/// <param name="output">Has a line for each row.</param>
internal sealed class CheckRun(
    CheckSettings settings, CheckJournal journal, CheckBudget budget, Func<bool> isUsable, Action end,
    TextWriter output)
{
    /// <summary>Of a row in its line; the report has all.</summary>
    private const int MostFigures = 14;

    private const string TimeIsUp = "the time was up";
    private const string ToldToStop = "it was told to stop";

    private static readonly TimeSpan MostRowTime = TimeSpan.FromMinutes(4);

    /// <summary>A row that the end of the time cuts off sooner is not to blame.</summary>
    private static readonly TimeSpan BlamedRowTime = TimeSpan.FromMinutes(1);

    private readonly Lock _gate = new();
    private string? _current;
    private long _currentStart;
    private int _made;
    private int _kept;
    private int _left;
    private bool _isStopped;
    private string _ending = TimeIsUp;

    /// <summary>The GPU takes no more work in this process.</summary>
    public bool IsBroken { get; private set; }

    /// <summary>Every row was computed, now or before.</summary>
    public bool IsComplete => _left == 0 && !IsBroken && !_isStopped;

    public void Run(ICheckStage stage)
    {
        if (IsBroken || _isStopped)
            return;
        budget.BeginStage();
        output.WriteLine($"== {stage.Name}");
        foreach (CheckCase one in stage.Cases())
        {
            if (!settings.Includes(one.Name))
                continue;
            if (!IsWanted(one.Name))
                _kept++;
            else if (!budget.Allows(one.Name, journal))
                _left++;
            else
                Compute(one);
            if (IsBroken || _isStopped)
                return;
        }
    }

    /// <summary>
    /// Ends the run at once, whatever it does: what there is so far is told. The row that is being computed
    /// is left for the next run, unless it took so long that it may be stuck.
    /// </summary>
    public void Stop(string why, string ending = ToldToStop)
    {
        lock (_gate)
        {
            if (_isStopped)
                return;
            (_isStopped, _ending) = (true, ending);
            string at = "";
            if (_current is { } row)
            {
                TimeSpan ran = Stopwatch.GetElapsedTime(_currentStart);
                at = string.Create(CultureInfo.InvariantCulture, $" {ran.TotalSeconds:F0} s into {row}");
                if (ran < BlamedRowTime)
                    journal.Drop([row]);
                _left++;
            }
            output.WriteLine($"{why}{at}; the run ends here");
            Conclude();
            output.Flush();
            end();
        }
    }

    /// <summary>What came of it all so far; the first failure in full.</summary>
    public void Conclude()
    {
        output.WriteLine($"{_made} rows now, {_kept} before, {_left} left: {journal.FilePath}");
        if (_left > 0)
            output.WriteLine($"{_ending}; run it again to go on");
        if (IsBroken)
            output.WriteLine("the GPU takes no more work in this process; a new one goes on behind it");
        foreach (string line in CheckTargets.Lines(journal))
            output.WriteLine(line);
        string[] failed = [.. journal.FailedRows.Select(row => row.GetProperty("row").GetString()!)];
        if (failed.Length == 0)
            return;
        output.WriteLine($"{failed.Length} rows failed; the first: {failed[0]}");
        output.WriteLine(CheckJournal.TextOf(journal.FailedRows.First(), "note") ?? "it does not say why");
    }

    private bool IsWanted(string name) => journal.StatusOf(name) is null or CheckStatus.Missing;

    private void Compute(CheckCase one)
    {
        CheckRow row;
        lock (_gate)
        {
            if (_isStopped)
                return;
            // Should it take the process along, the next run goes on behind it.
            journal.Add(new CheckRow(one.Name).Begun());
            (_current, _currentStart) = (one.Name, Stopwatch.GetTimestamp());
        }
        bool isLast = budget.Remaining < MostRowTime;
        using Timer watch = new(
            _ => Expire(isLast), null,
            isLast ? TimeSpan.FromMilliseconds(Math.Max(1, budget.Remaining.TotalMilliseconds)) : MostRowTime,
            Timeout.InfiniteTimeSpan);
        bool isBroken = false;
        try
        {
            row = one.Run();
        }
        catch (Exception refused) when (refused is not OutOfMemoryException)
        {
            row = new CheckRow(one.Name).Failed($"{refused.GetType().Name}: {refused.Message}");
            isBroken = !isUsable();
        }
        lock (_gate)
        {
            if (_isStopped)
                return;
            _current = null;
            _made++;
            IsBroken = isBroken;
            journal.Add(row.With("wall_seconds", Stopwatch.GetElapsedTime(_currentStart).TotalSeconds));
            output.WriteLine(Line(row));
            output.Flush();
        }
    }

    private void Expire(bool isLast)
    {
        if (isLast)
            Stop("the time is up", TimeIsUp);
        else
            Stop($"not done in {MostRowTime.TotalSeconds} s", "a row took too long");
    }

    private static string Line(CheckRow row)
    {
        string figures = string.Join(
            ' ', row.Figures.Where(figure => figure.Name != "wall_seconds").Take(MostFigures).Select(
                figure => string.Create(
                    CultureInfo.InvariantCulture, $"{figure.Name}={figure.Value:G4}")));
        string status = row.Status == CheckStatus.Fine ? "" : $"{row.Status.ToString().ToUpperInvariant()} ";
        return $"{status}{row.Name}: {figures}{(row.Note.Length > 0 ? $" ({row.Note})" : "")}";
    }
}
