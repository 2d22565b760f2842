using System.Reflection;

namespace PdEngine;

/// <summary>Images that lie in one folder with one manifest.</summary>
/// <param name="Targets">What each is built for.</param>
/// <param name="Names">Of the sources, without extension, in order.</param>
/// <param name="TextOf">The whole text of a source.</param>
internal sealed record ImageSet(
    IReadOnlyList<CudaTarget> Targets, IReadOnlyList<string> Names, Func<string, string> TextOf)
{
    private const string Folder = "candidates/";

    private static readonly Assembly Own = typeof(ImageSet).Assembly;

    /// <summary>The kernels of the library, for A100, L4 and L40, H100 and H200, and as PTX for all others.
    /// </summary>
    public static ImageSet Kernels { get; } =
        new(Parse("sm_80", "sm_89", "sm_90a", "compute_80"), CudaSources.Names, CudaSources.TextOf);

    /// <summary>Kernels that only <c>gpu-check</c> launches, for the GPUs that they are meant for.</summary>
    public static ImageSet Candidates { get; } = new(
        Parse("sm_90a"),
        [.. Own.GetManifestResourceNames()
            .Where(name => name.StartsWith(Folder, StringComparison.Ordinal))
            .Select(name => name[Folder.Length..^".cu".Length])
            .Order(StringComparer.Ordinal)],
        name => CudaSources.TextOf(Folder + name, Read));

    private static CudaTarget[] Parse(params string[] names) =>
        [.. names.Select(name => CudaTarget.Parse(name)!)];

    private static string Read(string path)
    {
        using Stream? stored = Own.GetManifestResourceStream(path);
        if (stored is null)
            return CudaSources.Read(path);
        using StreamReader reader = new(stored);
        return reader.ReadToEnd();
    }
}
