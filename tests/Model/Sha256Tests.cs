using System.Security.Cryptography;

namespace PdEngine.Tests;

public sealed class Sha256Tests
{
    [Test]
    public void It_is_the_systems_own_for_any_length_and_parts([Values(1, 63, 64, 1000)] int partBytes)
    {
        Random random = new(partBytes);
        for (int length = 0; length < 300; length++)
        {
            byte[] content = new byte[length];
            random.NextBytes(content);
            using Sha256 hash = new(bySystem: false);
            for (int first = 0; first < length; first += partBytes)
                hash.Append(content.AsSpan(first, Math.Min(partBytes, length - first)));
            Assert.That(hash.Finish(), Is.EqualTo(SHA256.HashData(content)), $"length {length}");
        }
    }

    [Test]
    public void Keyed_hashes_are_the_systems_own()
    {
        byte[] key = [.. Enumerable.Range(0, 32).Select(at => (byte)(at * 7))];
        byte[] message = "1.1700000000"u8.ToArray();
        Assert.That(Sha256.Keyed(key, message), Is.EqualTo(HMACSHA256.HashData(key, message)));
    }
}
