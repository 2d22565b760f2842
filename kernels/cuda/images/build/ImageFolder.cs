using System.IO.Compression;
using PdEngine.Interop;

namespace PdEngine;

/// <summary>A folder of images, such as that which the library is built with.</summary>
internal static class ImageFolder
{
    /// <summary>Leaves what is up to date as it is.</summary>
    /// <exception cref="CudaException">A source does not compile.</exception>
    public static void Build(string folder, ImageSet set, Nvrtc compiler, Action<string> tell)
    {
        ImageManifest? before = ImageManifest.Read(folder);
        string version = BuiltImage.Of(
            compiler, ImageSet.Kernels, CudaSources.Names[0], ImageSet.Kernels.Targets[^1]).Compiler;
        List<ImageRecord> records = [];
        foreach (CudaTarget target in set.Targets)
        {
            foreach (string source in set.Names)
            {
                ImageRecord? old = before?.Compiler != version ? null : before.Images.FirstOrDefault(
                    image => image.Target == target.Name && image.Source == source);
                string hash = CudaSources.HashOf(set.TextOf(source), target.Name);
                string path = PathOf(folder, target, source);
                if (old?.SourceHash == hash && File.Exists(path))
                {
                    records.Add(old);
                    continue;
                }
                BuiltImage built = BuiltImage.Of(compiler, set, source, target);
                if (old?.ImageHash != built.Record.ImageHash || !File.Exists(path))
                    Write(path, built.Bytes);
                records.Add(built.Record);
                long stored = new FileInfo(path).Length;
                tell($"{target.Name}/{source}: {built.Bytes.Length} bytes, {stored} stored");
            }
        }
        RemoveOthers(folder, records);
        new ImageManifest(version, CudaSources.Flags, records).Write(folder);
    }

    /// <summary>Where an image lies.</summary>
    public static string PathOf(string folder, CudaTarget target, string source) =>
        Path.Combine(folder, target.Name, source + target.Extension);

    private static void Write(string path, byte[] image)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        using FileStream file = File.Create(path);
        using BrotliStream packed = new(file, CompressionLevel.SmallestSize);
        packed.Write(image);
    }

    private static void RemoveOthers(string folder, List<ImageRecord> records)
    {
        HashSet<string> wanted =
            [.. records.Select(image => PathOf(folder, CudaTarget.Parse(image.Target)!, image.Source))];
        foreach (string path in Directory.GetFiles(folder, "*.br", SearchOption.AllDirectories))
        {
            if (!wanted.Contains(path))
                File.Delete(path);
        }
    }
}
