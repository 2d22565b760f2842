using System.ComponentModel;
using System.Diagnostics;

namespace PdEngine.Bench;

/// <summary>
/// A process of somebody else that keeps one core busy until it is disposed of, or some minutes have passed.
/// </summary>
internal sealed class ForeignProcess : IDisposable
{
    private const string MostSeconds = "600";
    private readonly Process _process;

    private ForeignProcess(Process process) => _process = process;

    /// <exception cref="BenchException">It cannot be started or held to the core.</exception>
    public static ForeignProcess Start(int core)
    {
        string[] arguments =
            [MostSeconds, "taskset", "-c", $"{core}", "sh", "-c", "while :; do :; done"];
        try
        {
            Process process = Process.Start(new ProcessStartInfo("timeout", arguments))!;
            if (process.WaitForExit(TimeSpan.FromMilliseconds(200)))
                throw new BenchException($"'timeout {string.Join(' ', arguments)}' ended at once");
            return new ForeignProcess(process);
        }
        catch (Win32Exception missing)
        {
            throw new BenchException("'timeout' or 'taskset' is not here", missing);
        }
    }

    public void Dispose()
    {
        _process.Kill(entireProcessTree: true);
        _process.WaitForExit();
        _process.Dispose();
    }
}
