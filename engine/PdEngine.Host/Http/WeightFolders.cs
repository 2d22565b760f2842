namespace PdEngine.Host;

/// <summary>Which folders a client may have weights read from.</summary>
internal static class WeightFolders
{
    private const string Field = "model_path";

    /// <summary>The real folder that a client names; every file in it that is read is inside the root
    /// too.</summary>
    /// <param name="given">As the client names it; relative to the root.</param>
    /// <param name="root">Where weights may be.</param>
    /// <exception cref="HttpRefusal">
    /// It is not inside, or not there: which of the two is not told.
    /// </exception>
    public static string Resolve(string given, string root)
    {
        if (given.Contains('\0', StringComparison.Ordinal))
            throw HttpRefusal.Bad(Field, "it is no path");
        string realRoot = RealPath.Of(root) ?? throw new OptionsException(
            "--weights-root", $"'{root}' is not there");
        string? folder = RealPath.Of(Path.Combine(realRoot, given));
        if (folder is null || !RealPath.IsInside(folder, realRoot))
        {
            throw HttpRefusal.Bad(Field, $"'{Fields.Short(given)}' is no folder inside the weights root; "
                + "start the server with --weights-root FOLDER for another");
        }
        if (!Directory.Exists(folder))
        {
            throw HttpRefusal.Bad(Field, $"'{Fields.Short(given)}' is a file; a folder with "
                + "model.safetensors or its index is needed");
        }
        foreach (string file in Directory.EnumerateFileSystemEntries(folder))
        {
            if (IsRead(file) && (RealPath.Of(file) is not { } real || !RealPath.IsInside(real, realRoot)))
            {
                throw HttpRefusal.Bad(Field,
                    $"'{Path.GetFileName(file)}' in it is a link that leaves the weights root; start the "
                    + "server with a --weights-root that holds both");
            }
        }
        return folder;
    }

    private static bool IsRead(string file) =>
        !Directory.Exists(file) || new FileInfo(file).LinkTarget is not null;
}
