using System.ComponentModel;
using System.Diagnostics;

namespace PdEngine.Bench;

/// <summary>Gets llama.cpp's ready-built CPU library out of its npm package, once.</summary>
internal static class LlamaPackage
{
    private const string Package = "@node-llama-cpp/linux-x64";
    private const string Version = "3.22.1";

    /// <summary>Whether it is here already, so that nothing would be downloaded.</summary>
    public static bool IsHere => File.Exists(Path.Combine(Home, "complete"));

    private static string Home => Path.Combine(Path.GetTempPath(), $"pdengine-peer-llama-{Version}");

    /// <summary>The folder with libllama and its CPU variants.</summary>
    /// <exception cref="PeerException">npm, the network or the package is missing.</exception>
    public static string Folder()
    {
        string home = Home;
        string folder = Path.Combine(home, "package", "bins", "linux-x64");
        if (IsHere)
            return folder;
        Directory.CreateDirectory(home);
        Run(home, "npm", "pack", $"{Package}@{Version}", "--silent");
        string archive = Directory.GetFiles(home, "*.tgz").FirstOrDefault()
            ?? throw new PeerException($"npm pack brought no {Package}@{Version}");
        Run(home, "tar", "-xzf", archive);
        File.WriteAllText(Path.Combine(home, "complete"), "");
        return folder;
    }

    private static void Run(string folder, string command, params string[] arguments)
    {
        try
        {
            ProcessStartInfo start = new(command, arguments)
            {
                WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true,
            };
            using Process process = Process.Start(start)!;
            Task<string> error = process.StandardError.ReadToEndAsync();
            process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            if (process.ExitCode != 0)
            {
                string line = string.Join(' ', arguments);
                throw new PeerException($"'{command} {line}' failed: {error.Result.Trim()}");
            }
        }
        catch (Win32Exception missing)
        {
            throw new PeerException($"'{command}' cannot be started: {missing.Message}");
        }
    }
}
