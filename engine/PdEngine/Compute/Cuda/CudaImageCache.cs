using System.Security.Cryptography;

namespace PdEngine;

/// <summary>
/// Images that were compiled on this machine, each under the hash of what it was made of, behind the sha256
/// of its bytes. A folder that cannot be written costs time, at every start, and nothing else.
/// </summary>
/// <param name="folder">Made when it is first needed.</param>
internal sealed class CudaImageCache(string folder)
{
    /// <summary>Null where there is none, or a damaged one.</summary>
    public byte[]? Find(string target, string name, string hash)
    {
        try
        {
            byte[] stored = File.ReadAllBytes(PathOf(target, name, hash));
            byte[] image = stored[SHA256.HashSizeInBytes..];
            return SHA256.HashData(image).AsSpan().SequenceEqual(stored.AsSpan(0, SHA256.HashSizeInBytes))
                ? image
                : null;
        }
        catch (Exception missing) when (
            missing is IOException or UnauthorizedAccessException or ArgumentOutOfRangeException)
        {
            return null;
        }
    }

    public void Add(string target, string name, string hash, ReadOnlySpan<byte> image)
    {
        string path = PathOf(target, name, hash);
        string unfinished = $"{path}.{Environment.ProcessId}";
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllBytes(unfinished, [.. SHA256.HashData(image), .. image]);
            File.Move(unfinished, path, overwrite: true);
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException)
        {
            if (File.Exists(unfinished))
                File.Delete(unfinished);
        }
    }

    private string PathOf(string target, string name, string hash) =>
        Path.Combine(folder, target, $"{name}-{hash[..16]}.cubin");
}
