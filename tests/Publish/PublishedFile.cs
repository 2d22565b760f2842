using System.Diagnostics;

namespace PdEngine.Tests;

/// <summary>
/// The one file that <c>dotnet publish</c> gives, and a system as bare as this machine lets be.
/// </summary>
internal sealed class PublishedFile : IDisposable
{
    /// <summary>Packages that are not to be had, or no network to look for them.</summary>
    private static readonly string[] RestoreFaults = ["NU1100", "NU1101", "NU1102", "NU1103", "NU1301"];

    // A root of its own, read-only, with nothing but the file, the C library, /proc and /dev.
    private const string EnterBareRoot =
        "mount --bind $0 $0 && mount --rbind /proc $0/proc && mount --rbind /dev $0/dev && "
        + "mount -o remount,bind,ro $0 && exec env -i $(command -v chroot) $0 /pdengine \"$@\"";

    private readonly bool _hasBareRoot;

    public PublishedFile()
    {
        Root = Directory.CreateTempSubdirectory("pdengine-bare").FullName;
        try
        {
            Publish();
            _hasBareRoot = Run("unshare", "-rm", "true").ExitCode == 0;
            if (_hasBareRoot)
                CopyLibraries();
            TestContext.Progress.WriteLine(_hasBareRoot
                ? "pdengine runs in a read-only root of its own"
                : "no namespaces here: pdengine runs without environment, in a folder it cannot write to");
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public string Root { get; }

    public string Path => System.IO.Path.Combine(Root, "pdengine");

    /// <summary>What publishing put beside it: nothing.</summary>
    public IReadOnlyList<string> Others { get; private set; } = [];

    /// <summary>Starts it without an environment.</summary>
    public Process Start(params string[] arguments)
    {
        ProcessStartInfo start = _hasBareRoot
            ? new("unshare", ["-rm", "sh", "-c", EnterBareRoot, Root, .. arguments])
            : new("env", ["-i", Path, .. arguments]) { WorkingDirectory = "/proc" };
        start.RedirectStandardInput = start.RedirectStandardOutput = start.RedirectStandardError = true;
        return Process.Start(start)!;
    }

    public async Task<PdEngineRun> RunAsync(params string[] arguments)
    {
        using Process process = Start(arguments);
        process.StandardInput.Close();
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> error = process.StandardError.ReadToEndAsync();
        await PdEngineRun.WaitAsync(process);
        return new(process.ExitCode, await output, await error);
    }

    public void Dispose() => Directory.Delete(Root, recursive: true);

    /// <summary>Runs a tool of this machine.</summary>
    public static PdEngineRun Run(string tool, params string[] arguments)
    {
        ProcessStartInfo start = new(tool, arguments)
        {
            RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = TestFiles.Root,
        };
        // A build inside of a test run is not to take that for its own.
        foreach (string name in start.Environment.Keys.Where(IsOfTestRun).ToArray())
            start.Environment.Remove(name);
        start.Environment["MSBUILDDISABLENODEREUSE"] = "1";
        using Process process = Process.Start(start)!;
        Task<string> error = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return new(process.ExitCode, output, error.Result);
    }

    public static void SkipWhereNothingCanBeRestored(PdEngineRun build)
    {
        if (RestoreFaults.FirstOrDefault(build.Out.Contains) is { } fault)
            Assert.Ignore($"a package that this takes cannot be restored ({fault})");
    }

    private void Publish()
    {
        PdEngineRun run = Run("dotnet", "publish", "engine/PdEngine.Host", "-c", "Release", "-v", "q",
            "--nologo", "-p:UseSharedCompilation=false", "-o", Root);
        SkipWhereNothingCanBeRestored(run);
        Assert.That(run.ExitCode, Is.Zero, run.Out + run.Error);
        Others = [.. Directory.GetFileSystemEntries(Root).Where(entry => entry != Path)];
    }

    private void CopyLibraries()
    {
        foreach (string folder in (string[])["proc", "dev"])
            Directory.CreateDirectory(System.IO.Path.Combine(Root, folder));
        foreach (string word in Run("ldd", Path).Out.Split([' ', '\n', '\t']))
        {
            if (!word.StartsWith('/'))
                continue;
            string copy = Root + word;
            Directory.CreateDirectory(System.IO.Path.GetDirectoryName(copy)!);
            File.Copy(word, copy);
        }
    }

    private static bool IsOfTestRun(string name) =>
        name.StartsWith("MSBUILD", StringComparison.OrdinalIgnoreCase)
        || name.StartsWith("VSTEST", StringComparison.OrdinalIgnoreCase);
}
