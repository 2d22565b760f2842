using System.Reflection;

namespace PdEngine;

/// <summary>Built images: those of the library, and before them those of a folder.</summary>
/// <param name="folder">Has a folder for each target; may be missing.</param>
internal sealed class CudaImageStore(string folder)
{
    private const string Prefix = "PdEngine.Cuda/images/";

    private static readonly Assembly Library = typeof(CudaImageStore).Assembly;
    private static readonly HashSet<string> Embedded =
        [.. Library.GetManifestResourceNames()
            .Where(name => name.StartsWith(Prefix, StringComparison.Ordinal))
            .Select(name => name[Prefix.Length..])];

    /// <summary>Those that every source has an image of.</summary>
    public IEnumerable<CudaTarget> Targets()
    {
        IEnumerable<string> names = Embedded.Select(name => name.Split('/')[0]);
        if (Directory.Exists(folder))
            names = names.Concat(new DirectoryInfo(folder).EnumerateDirectories().Select(one => one.Name));
        return names.Distinct()
            .Order(StringComparer.Ordinal)
            .Select(CudaTarget.Parse)
            .OfType<CudaTarget>()
            .Where(target => CudaSources.Names.All(name => Has(target, name)));
    }

    /// <summary>PTX ends with a zero byte.</summary>
    /// <exception cref="BackendException">The file is damaged.</exception>
    public byte[] Read(CudaTarget target, string name)
    {
        string path = PathOf(target, name);
        if (IsBeside(target, name))
            return CudaImageFile.Unpack(CudaImageFile.ReadPacked(path), path, target.IsVirtual);
        using Stream stored = Library.GetManifestResourceStream($"{Prefix}{FileOf(target, name)}")!;
        byte[] packed = new byte[stored.Length];
        stored.ReadExactly(packed);
        return CudaImageFile.Unpack(packed, FileOf(target, name), target.IsVirtual);
    }

    /// <summary>What would be read, for whoever asked.</summary>
    public string Describe(CudaTarget target)
    {
        int beside = CudaSources.Names.Count(name => IsBeside(target, name));
        return beside == 0 ? target.Name : $"{target.Name}, {beside} images of {folder}";
    }

    private bool Has(CudaTarget target, string name) =>
        IsBeside(target, name) || Embedded.Contains(FileOf(target, name));

    private bool IsBeside(CudaTarget target, string name) => File.Exists(PathOf(target, name));

    private string PathOf(CudaTarget target, string name) => Path.Combine(folder, FileOf(target, name));

    private static string FileOf(CudaTarget target, string name) =>
        $"{target.Name}/{name}{target.Extension}";
}
