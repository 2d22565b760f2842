namespace PdEngine.Bench;

/// <summary>What a folder of images has that a run would take.</summary>
internal static class CheckImages
{
    private const string Candidates = "candidates/";

    /// <summary>That some of its images are of a target known here.</summary>
    /// <returns>A line of those that are, and of folders that are of no effect.</returns>
    /// <exception cref="OptionsException">None is.</exception>
    public static string Check(string folder)
    {
        if (!Directory.Exists(folder))
            throw new OptionsException("--images", $"there is no folder {folder}");
        CudaTarget[] known = [.. new CudaImageStore(folder).Targets()];
        HashSet<string> candidates =
        [
            .. typeof(CheckImages).Assembly.GetManifestResourceNames()
                .Where(name => name.StartsWith(Candidates, StringComparison.Ordinal))
                .Select(name => name[Candidates.Length..]),
        ];
        bool HasImages(CudaTarget target) => CudaSources.Names
            .Select(name => $"{target.Name}/{name}{target.Extension}").Concat(candidates)
            .Any(file => file.StartsWith($"{target.Name}/", StringComparison.Ordinal)
                && File.Exists(Path.Combine(folder, file)));
        string[] used = [.. known.Where(HasImages).Select(target => target.Name)];
        string[] others =
        [
            .. new DirectoryInfo(folder).EnumerateDirectories().Select(one => one.Name).Except(used)
                .Order(StringComparer.Ordinal),
        ];
        string unused = others.Length == 0 ? "" : $"; of no effect: {Listed(others)}";
        if (used.Length == 0)
        {
            throw new OptionsException(
                "--images", $"{folder} has no image (TARGET/NAME.cubin.br or .ptx.br) of "
                + $"{Listed([.. known.Select(target => target.Name)])}{unused}");
        }
        return $"--images {folder} has images of {Listed(used)}{unused}";
    }

    private static string Listed(string[] names)
    {
        const int most = 8;
        return string.Join(", ", names.Take(most)) + (names.Length > most ? ", ..." : "");
    }
}
