using System.ComponentModel;
using System.Diagnostics;

namespace PdEngine.Bench;

/// <summary>Runs another program to its end, or to the end of our patience.</summary>
internal static class ChildProcess
{
    /// <summary>Exit code of one that was ended; of no program.</summary>
    public const int TimedOut = -1;

    public const int NotThere = -2;

    /// <summary>Its exit code and all that it wrote.</summary>
    public static (int Code, string Text) Run(ProcessStartInfo start, int timeoutSeconds, string input = "")
    {
        start.RedirectStandardInput = true;
        start.RedirectStandardOutput = true;
        start.RedirectStandardError = true;
        try
        {
            using Process process = Process.Start(start)!;
            Task<string> output = process.StandardOutput.ReadToEndAsync();
            Task<string> error = process.StandardError.ReadToEndAsync();
            process.StandardInput.Write(input);
            process.StandardInput.Close();
            bool ended = process.WaitForExit(TimeSpan.FromSeconds(timeoutSeconds));
            if (!ended)
                process.Kill(entireProcessTree: true);
            string text = output.Result + error.Result;
            return (ended ? process.ExitCode : TimedOut, text);
        }
        catch (Exception fault) when (fault is Win32Exception or IOException)
        {
            return (NotThere, fault.Message);
        }
    }
}
