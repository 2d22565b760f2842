namespace PdEngine.Examples;

/// <summary>Where checkpoints are, whatever folder the program is started in.</summary>
internal static class ModelPath
{
    private const string TinyFolder = "models/pd-tiny";

    // A circle of links ends here.
    private const int MostLinks = 40;

    /// <summary>The repository's pd-tiny: found upwards from the program, else from where it is
    /// run.</summary>
    public static string Tiny() => TinyAbove(AppContext.BaseDirectory) ?? TinyFolder;

    /// <summary>The nearest pd-tiny of a folder or of those around it; null where there is none.</summary>
    public static string? TinyAbove(string folder)
    {
        for (DirectoryInfo? at = new(folder); at is not null; at = at.Parent)
        {
            string path = Path.Combine(at.FullName, TinyFolder);
            if (File.Exists(Path.Combine(path, ModelFolder.ConfigFile)))
                return path;
        }
        return null;
    }

    /// <summary>Whether two paths lead to one folder, through links and however they are written.</summary>
    public static bool AreSame(string one, string other) => RealPath(one) == RealPath(other);

    private static string RealPath(string path)
    {
        string full = Path.GetFullPath(path);
        string real = Path.GetPathRoot(full)!;
        Stack<string> rest = new(PartsOf(full).Reverse());
        for (int links = 0; rest.TryPop(out string? part);)
        {
            real = Path.GetFullPath(Path.Combine(real, part));
            if (new DirectoryInfo(real).LinkTarget is not { } target || ++links > MostLinks)
                continue;
            string next = Path.GetFullPath(Path.Combine(Path.GetDirectoryName(real)!, target));
            foreach (string linked in PartsOf(next).Reverse())
                rest.Push(linked);
            real = Path.GetPathRoot(next)!;
        }
        return real;
    }

    private static string[] PartsOf(string full) =>
        full[Path.GetPathRoot(full)!.Length..].Split(
            Path.DirectorySeparatorChar, StringSplitOptions.RemoveEmptyEntries);
}
