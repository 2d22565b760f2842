using System.Diagnostics;
using System.Globalization;

namespace PdEngine.Bench;

/// <summary>Computes the rows of stages, one by one, and keeps the report.</summary>
internal sealed class CheckRun(
    CheckSettings settings, CheckJournal journal, Func<bool> isUsable, TextWriter output)
{
    /// <summary>Of a row in its line; the report has all.</summary>
    private const int MostFigures = 14;

    private static readonly TimeSpan MostRowTime = TimeSpan.FromMinutes(4);

    private int _made;
    private int _kept;
    private int _left;
    private bool _isBroken;

    /// <summary>Every row was computed, now or before.</summary>
    public bool IsComplete => _left == 0 && !_isBroken;

    public void Run(ICheckStage stage)
    {
        if (_isBroken)
            return;
        long start = Stopwatch.GetTimestamp();
        output.WriteLine($"== {stage.Name}");
        foreach (CheckCase one in stage.Cases())
        {
            if (!settings.Includes(one.Name))
                continue;
            if (!IsWanted(one.Name))
            {
                _kept++;
                continue;
            }
            if (Stopwatch.GetElapsedTime(start) > settings.StageTime)
            {
                _left++;
                continue;
            }
            Compute(one);
            if (_isBroken)
                return;
        }
    }

    /// <summary>What came of it all; the first failure in full.</summary>
    public void Conclude()
    {
        output.WriteLine($"{_made} rows now, {_kept} before, {_left} left: {journal.FilePath}");
        if (_left > 0)
            output.WriteLine("the time of a stage was up; run it again to go on");
        if (_isBroken)
            output.WriteLine("the GPU takes no more work in this process; run it again to go on behind it");
        foreach (string line in CheckTargets.Lines(journal))
            output.WriteLine(line);
        string[] failed = [.. journal.FailedRows.Select(row => row.GetProperty("row").GetString()!)];
        if (failed.Length == 0)
            return;
        output.WriteLine($"{failed.Length} rows failed; the first: {failed[0]}");
        output.WriteLine(journal.FailedRows.First().GetProperty("note").GetString());
    }

    private bool IsWanted(string name) => journal.StatusOf(name) switch
    {
        null or CheckStatus.Missing => true,
        CheckStatus.Failed or CheckStatus.Begun => settings.RunsFailedAgain,
        _ => false,
    };

    private void Compute(CheckCase one)
    {
        long start = Stopwatch.GetTimestamp();
        CheckRow row;
        // Should it take the process along, the next run goes on behind it.
        journal.Add(new CheckRow(one.Name).Begun());
        using Timer watch = new(_ => GiveUp(one.Name), null, MostRowTime, Timeout.InfiniteTimeSpan);
        try
        {
            row = one.Run();
        }
        catch (Exception refused) when (refused is not OutOfMemoryException)
        {
            row = new CheckRow(one.Name).Failed($"{refused.GetType().Name}: {refused.Message}");
            _isBroken = !isUsable();
        }
        _made++;
        journal.Add(row.With("wall_seconds", Stopwatch.GetElapsedTime(start).TotalSeconds));
        output.WriteLine(Line(row));
        output.Flush();
    }

    /// <summary>Nothing brings back a thread that waits for a GPU which is stuck.</summary>
    private void GiveUp(string row)
    {
        output.WriteLine($"{row}: not done in {MostRowTime.TotalSeconds} s; the run ends here");
        output.Flush();
        using Process self = Process.GetCurrentProcess();
        self.Kill();
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
