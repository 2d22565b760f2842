using System.Diagnostics;
using PdEngine.Interop;

namespace PdEngine.Bench;

/// <summary>
/// Where NVIDIA's libraries may be besides where the system looks: with CUDA itself, or with the PyTorch of a
/// Python.
/// </summary>
internal static class LibraryPlaces
{
    private const int AskSeconds = 20;

    private static readonly string[] Folders =
        ["/usr/local/cuda/lib64", "/usr/local/cuda/targets/x86_64-linux/lib", "/usr/lib/x86_64-linux-gnu"];

    /// <summary>Opens a library as it is named, as the system finds it, or from one of the places.</summary>
    /// <param name="named">Its file; null looks.</param>
    /// <param name="pattern">Of its file's name.</param>
    /// <param name="open">Opens it; null is the system's own.</param>
    /// <param name="python">Which Python is asked for its packages; null asks none.</param>
    /// <exception cref="CudaException">There is none; the message is the system's.</exception>
    public static T Open<T>(string? named, string pattern, Func<string?, T> open, string? python)
    {
        try
        {
            return open(named);
        }
        catch (CudaException) when (named is null)
        {
            foreach (string file in Candidates(pattern, python))
            {
                try
                {
                    return open(file);
                }
                catch (CudaException)
                {
                    // It may need a library that is not beside it; another place may have both.
                }
            }
            throw;
        }
    }

    private static IEnumerable<string> Candidates(string pattern, string? python)
    {
        IEnumerable<string> folders = Folders.Where(Directory.Exists);
        if (python is not null)
            folders = folders.Concat(OfPython(python));
        return folders.SelectMany(folder => Directory.EnumerateFiles(folder, pattern).Order());
    }

    private static IEnumerable<string> OfPython(string python)
    {
        (int code, string text) = ChildProcess.Run(
            new ProcessStartInfo(
                python, ["-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"]),
            AskSeconds);
        string packages = Path.Combine(text.Trim(), "nvidia");
        return code == 0 && Directory.Exists(packages)
            ? Directory.EnumerateDirectories(packages, "lib", SearchOption.AllDirectories)
            : [];
    }
}
