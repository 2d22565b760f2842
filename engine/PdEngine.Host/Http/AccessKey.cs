using System.Security.Cryptography;
using System.Text;

namespace PdEngine.Host;

/// <summary>A secret that callers show. Only its hash is kept, so that nothing can print it.</summary>
internal sealed class AccessKey
{
    private readonly byte[] _hash;

    private AccessKey(byte[] hash) => _hash = hash;

    /// <param name="source">The flag or variable that it comes from, for messages.</param>
    /// <param name="key">The secret.</param>
    /// <exception cref="OptionsException">It cannot stand in a header.</exception>
    public static AccessKey Of(string source, string key)
    {
        if (key.Length == 0 || key.Any(letter => letter is <= ' ' or > '~'))
        {
            throw new OptionsException(
                source, "a key has one or more visible ASCII letters and no blanks; this one has not");
        }
        return new(Hash(key));
    }

    /// <summary>The first line of a file.</summary>
    /// <exception cref="OptionsException">It cannot be read, or holds no key.</exception>
    public static AccessKey FromFile(string flag, string path)
    {
        try
        {
            return Of(flag, File.ReadLines(path).FirstOrDefault("").Trim());
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new OptionsException(flag, $"'{path}' cannot be read: {error.Message}");
        }
    }

    /// <summary>In a time that tells nothing of either: hashes of one length are compared.</summary>
    public bool Matches(string given) => CryptographicOperations.FixedTimeEquals(_hash, Hash(given));

    private static byte[] Hash(string key) => Sha256.Of(Encoding.UTF8.GetBytes(key));
}
