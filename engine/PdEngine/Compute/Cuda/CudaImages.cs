using System.IO.Compression;
using System.Reflection;
using PdEngine.Interop;

namespace PdEngine;

/// <summary>
/// The kernels as a GPU takes them: the image that was built for its very generation, else PTX, which the
/// driver compiles when it loads it.
/// </summary>
internal static class CudaImages
{
    private const string Prefix = "PdEngine.Cuda.";

    /// <summary>An image for a GPU; PTX ends with a zero byte.</summary>
    /// <exception cref="BackendException">There is none; the message says for what there are.</exception>
    public static byte[] For(CudaDevice device)
    {
        Assembly assembly = typeof(CudaImages).Assembly;
        string[] names = [.. assembly.GetManifestResourceNames()
            .Where(name => name.StartsWith(Prefix, StringComparison.Ordinal))];
        foreach (string name in (string[])[$"sm_{device.Capability}", $"sm_{device.Capability}a"])
        {
            if (names.Contains($"{Prefix}{name}.cubin.gz"))
                return Read(assembly, $"{Prefix}{name}.cubin.gz");
        }
        string? ptx = names.Where(name => name.EndsWith(".ptx.gz", StringComparison.Ordinal))
            .Where(name => TargetOf(name) <= device.Capability)
            .MaxBy(TargetOf);
        if (ptx is not null)
            return [.. Read(assembly, ptx), 0];
        string known = names.Length == 0
            ? "this build holds no images of the kernels"
            : $"there are images for {string.Join(", ", names.Select(name => name[Prefix.Length..]))}";
        throw new BackendException(
            $"GPU {device.Ordinal} ({device.Name}) is of compute capability {device.Capability / 10}."
            + $"{device.Capability % 10}, and {known}. Compute on the CPU.");
    }

    // Of the form PdEngine.Cuda.compute_80.ptx.gz.
    private static int TargetOf(string name) =>
        int.TryParse(name[Prefix.Length..].Split('_', '.')[1], out int target) ? target : int.MaxValue;

    private static byte[] Read(Assembly assembly, string name)
    {
        using Stream stored = assembly.GetManifestResourceStream(name)!;
        using GZipStream unpacked = new(stored, CompressionMode.Decompress);
        using MemoryStream image = new();
        unpacked.CopyTo(image);
        return image.ToArray();
    }
}
