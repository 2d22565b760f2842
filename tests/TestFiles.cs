using System.Diagnostics;
using System.Runtime.CompilerServices;

namespace PdEngine.Tests;

/// <summary>
/// Where tests find goldens, the real checkpoint and npm packages; what is absent is skipped with a reason.
/// </summary>
internal static class TestFiles
{
    private static readonly Lock NpmGate = new();

    /// <summary>The repository's root folder.</summary>
    public static string Root { get; } = FindRoot();

    /// <summary>
    /// Goldens folder: <c>PDENGINE_GOLDENS</c>, or <c>../shared/goldens</c> beside the repository.
    /// </summary>
    public static string GoldensFolder { get; } =
        Environment.GetEnvironmentVariable("PDENGINE_GOLDENS") is { Length: > 0 } folder
            ? folder
            : Path.Combine(Root, "..", "shared", "goldens");

    /// <summary>Path of a golden file or folder; the test is skipped where it is absent.</summary>
    public static string Golden(params string[] parts)
    {
        string path = Path.Combine([GoldensFolder, .. parts]);
        return Require(path, "golden");
    }

    /// <summary>True where a golden file or folder is there; for case sources, which cannot skip.</summary>
    public static bool HasGolden(params string[] parts)
    {
        string path = Path.Combine([GoldensFolder, .. parts]);
        return File.Exists(path) || Directory.Exists(path);
    }

    /// <summary>The SmolLM2 GGUF checkpoint; the test is skipped where it is absent.</summary>
    public static string SmolLm2() =>
        Require(
            Path.Combine(Root, "..", "shared", "models", "SmolLM2-135M-Instruct.Q4_1.gguf"), "checkpoint");

    /// <summary>
    /// A file of a pinned npm package, downloaded once into <c>tests/.npm</c>; the test is skipped where npm
    /// or the network is missing.
    /// </summary>
    public static string Npm(string package, string version, string file)
    {
        string home = Path.Combine(Root, "tests", ".npm", $"{package.Replace('/', '+')}@{version}");
        string path = Path.Combine(home, "package", file);
        lock (NpmGate)
        {
            if (!File.Exists(path))
                Download(package, version, home, file);
        }
        return Require(path, "file of the npm package");
    }

    /// <summary>A folder of its own for one test, removed and made anew.</summary>
    public static string Scratch([CallerMemberName] string test = "")
    {
        string path = Path.Combine(Path.GetTempPath(), "pdengine-tests", $"{Environment.ProcessId}", test);
        if (Directory.Exists(path))
            Directory.Delete(path, recursive: true);
        Directory.CreateDirectory(path);
        return path;
    }

    private static void Download(string package, string version, string home, string file)
    {
        Directory.CreateDirectory(home);
        if (Run(home, "npm", "pack", $"{package}@{version}", "--silent") is { } why)
            Assert.Ignore($"npm package {package}@{version} is not to be had: {why}");
        string archive = Directory.GetFiles(home, "*.tgz").Single();
        string? problem = Run(home, "tar", "-xzf", Path.GetFileName(archive), $"package/{file}");
        Assert.That(problem, Is.Null, $"{package}@{version} holds no {file}");
    }

    private static string? Run(string folder, string command, params string[] arguments)
    {
        try
        {
            ProcessStartInfo start = new(command, arguments)
            {
                WorkingDirectory = folder, RedirectStandardError = true, RedirectStandardOutput = true,
            };
            using Process process = Process.Start(start)!;
            Task<string> error = process.StandardError.ReadToEndAsync();
            process.StandardOutput.ReadToEnd();
            if (!process.WaitForExit(TimeSpan.FromMinutes(10)))
            {
                process.Kill(entireProcessTree: true);
                return "timed out";
            }
            return process.ExitCode == 0 ? null : error.Result.Trim();
        }
        catch (System.ComponentModel.Win32Exception missing)
        {
            return $"'{command}' cannot be started ({missing.Message})";
        }
    }

    private static string Require(string path, string what)
    {
        if (!File.Exists(path) && !Directory.Exists(path))
            Assert.Ignore($"{what} '{path}' is not there");
        return path;
    }

    private static string FindRoot([CallerFilePath] string file = "") =>
        Path.GetDirectoryName(Path.GetDirectoryName(file))!;
}
