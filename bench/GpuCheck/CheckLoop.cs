using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;

namespace PdEngine.Bench;

/// <summary>
/// Runs <c>gpu-check</c> in processes of its own, one after the other: a GPU's fault ends all that a process
/// can do with it, and a new one goes on behind the row that had it. What ends a process outside of a row
/// would end the next one too.
/// </summary>
internal static partial class CheckLoop
{
    private const int MostRuns = 12;
    private const int FirstSignalCode = 128;

    /// <summary>How a run ends itself whose time is up.</summary>
    private const int Killed = FirstSignalCode + 9;

    private static readonly TimeSpan LeastTime = TimeSpan.FromSeconds(10);

    /// <summary>Whether there is a program to start; a debugger's host is none.</summary>
    public static bool CanStart =>
        Path.GetFileNameWithoutExtension(Environment.ProcessPath) is "gpu-check";

    /// <summary>Runs it until nothing is lost any more, or the time is up.</summary>
    /// <param name="total">The time for all of it.</param>
    /// <param name="run">Is told how many runs were before it and its time; gives the exit code.</param>
    /// <param name="lostRow">
    /// The row that the process which just ended was amid, and none before it; null where there is none.
    /// </param>
    /// <param name="isStopped">Whether somebody asked for an end.</param>
    /// <param name="output">Has a line for each further run.</param>
    public static int Run(
        TimeSpan total, Func<int, TimeSpan, int> run, Func<string?> lostRow, Func<bool> isStopped,
        TextWriter output)
    {
        long start = Stopwatch.GetTimestamp();
        for (int runs = 0; ; runs++)
        {
            int code = run(runs, total - Stopwatch.GetElapsedTime(start));
            if (code != GpuCheckProgram.Lost && code < FirstSignalCode)
                return code;
            // One that lost its GPU says so: that row has failed.
            bool isAmidRow = lostRow() is not null || code == GpuCheckProgram.Lost;
            bool isTimeUp = total - Stopwatch.GetElapsedTime(start) < LeastTime;
            if (isStopped() || (isTimeUp && (isAmidRow || code == Killed)))
                return GpuCheckProgram.Unfinished;
            if (!isAmidRow)
            {
                output.WriteLine(
                    $"== the process ended with {code} and not amid a row: what it wrote last says why, and "
                    + "another would end likewise");
                return GpuCheckProgram.Lost;
            }
            if (runs + 1 == MostRuns)
                return GpuCheckProgram.Lost;
            output.WriteLine("== the process ended amid a row; a new one goes on behind it");
        }
    }

    /// <summary>Runs this very program with the same arguments.</summary>
    public static int RunSelf(CheckSettings settings, string[] arguments, TextWriter output)
    {
        Process? running = null;
        bool isStopped = false;
        void PassOn(PosixSignalContext context)
        {
            context.Cancel = true;
            isStopped = true;
            if (running is { } process)
                _ = Kill(process.Id, 15);
        }
        using PosixSignalRegistration term = PosixSignalRegistration.Create(PosixSignal.SIGTERM, PassOn);
        using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, PassOn);
        int RunOnce(int runs, TimeSpan left)
        {
            IEnumerable<string> kept = runs == 0 ? arguments : OfNext(arguments);
            string minutes = left.TotalMinutes.ToString("F3", CultureInfo.InvariantCulture);
            using Process process = Process.Start(new ProcessStartInfo(
                Environment.ProcessPath!, [.. kept, "--alone", "--minutes", minutes]))!;
            running = process;
            process.WaitForExit();
            running = null;
            return process.ExitCode;
        }
        return Run(settings.TimeOrUsual, RunOnce, new LostRows(settings).Next, () => isStopped, output);
    }

    /// <summary>
    /// Arguments of a further process: what failed is computed anew once, and the rows of an earlier report
    /// are in this one by then.
    /// </summary>
    internal static List<string> OfNext(IReadOnlyList<string> arguments)
    {
        List<string> kept = [];
        for (int at = 0; at < arguments.Count; at++)
        {
            if (arguments[at] == "--resume")
                at++;
            else if (arguments[at] != "--again")
                kept.Add(arguments[at]);
        }
        return kept;
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int process, int signal);
}
