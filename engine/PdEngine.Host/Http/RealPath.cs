namespace PdEngine.Host;

/// <summary>Where a path ends up once every symbolic link on its way is followed.</summary>
internal static class RealPath
{
    private const int MostLinks = 40;

    /// <summary>Null where there is nothing, or links go round.</summary>
    public static string? Of(string path)
    {
        string whole = Path.GetFullPath(path);
        Stack<string> ahead = new(Split(whole).Reverse());
        string at = "/";
        int links = 0;
        while (ahead.TryPop(out string? part))
        {
            if (part == "..")
            {
                at = Path.GetDirectoryName(at) ?? "/";
                continue;
            }
            string next = Path.Combine(at, part);
            if (new FileInfo(next).LinkTarget is not { } target)
            {
                if (!Path.Exists(next))
                    return null;
                at = next;
                continue;
            }
            if (++links > MostLinks)
                return null;
            if (Path.IsPathRooted(target))
                at = "/";
            foreach (string step in Split(target).Reverse())
                ahead.Push(step);
        }
        return at;
    }

    /// <summary>Whether a path is a folder or inside it; both are real.</summary>
    public static bool IsInside(string path, string folder) => path == folder
        || path.StartsWith(folder == "/" ? folder : $"{folder}/", StringComparison.Ordinal);

    private static string[] Split(string path) =>
        [.. path.Split('/').Where(part => part.Length > 0 && part != ".")];
}
