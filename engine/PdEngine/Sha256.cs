using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace PdEngine;

/// <summary>
/// SHA-256 (FIPS 180-4) on every machine: by OpenSSL where that is installed, which is faster by far, and
/// else here, since .NET's own ends the process where there is no OpenSSL, and a bare system has none.
/// </summary>
internal sealed class Sha256 : IDisposable
{
    public const int Bytes = 32;

    private const int BlockBytes = 64;
    private const int LengthBytes = sizeof(ulong);

    private static readonly Lazy<bool> HasOpenSsl = new(() => !OperatingSystem.IsLinux()
        || NativeLibrary.TryLoad("libssl.so.3", out _) || NativeLibrary.TryLoad("libssl.so.1.1", out _));

    // The first 32 bits behind the point of the cube roots of the first 64 primes.
    private static readonly uint[] Constants = [.. Primes(64).Select(prime => RootFraction(prime, 3))];

    private readonly IncrementalHash? _system;
    private readonly uint[] _state = [.. Primes(8).Select(prime => RootFraction(prime, 2))];
    private readonly uint[] _schedule = new uint[64];
    private readonly byte[] _block = new byte[BlockBytes];
    private ulong _length;

    public Sha256()
        : this(IsOpenSslThere)
    {
    }

    /// <param name="bySystem">By OpenSSL, which must be there.</param>
    internal Sha256(bool bySystem) =>
        _system = bySystem ? IncrementalHash.CreateHash(HashAlgorithmName.SHA256) : null;

    /// <summary>Whether OpenSSL is installed, without which there is no https either.</summary>
    public static bool IsOpenSslThere => HasOpenSsl.Value;

    public static byte[] Of(ReadOnlySpan<byte> content)
    {
        using Sha256 hash = new();
        hash.Append(content);
        return hash.Finish();
    }

    /// <summary>HMAC (RFC 2104) of a message under a key of at most a block.</summary>
    public static byte[] Keyed(ReadOnlySpan<byte> key, ReadOnlySpan<byte> message)
    {
        Check.That(key.Length <= BlockBytes);
        Span<byte> pad = stackalloc byte[BlockBytes];
        using Sha256 inner = new(), outer = new();
        Pad(pad, key, 0x36);
        inner.Append(pad);
        inner.Append(message);
        Pad(pad, key, 0x5c);
        outer.Append(pad);
        outer.Append(inner.Finish());
        return outer.Finish();
    }

    public void Append(ReadOnlySpan<byte> content)
    {
        if (_system is not null)
        {
            _system.AppendData(content);
            return;
        }
        int held = (int)(_length % BlockBytes);
        _length += (ulong)content.Length;
        if (held > 0)
        {
            int taken = Math.Min(content.Length, BlockBytes - held);
            content[..taken].CopyTo(_block.AsSpan(held));
            content = content[taken..];
            if (held + taken < BlockBytes)
                return;
            Mix(_block);
        }
        for (; content.Length >= BlockBytes; content = content[BlockBytes..])
            Mix(content[..BlockBytes]);
        content.CopyTo(_block);
    }

    /// <summary>The hash of all that was appended; nothing more may be.</summary>
    public byte[] Finish()
    {
        if (_system is not null)
            return _system.GetHashAndReset();
        ulong bits = _length * 8;
        int held = (int)(_length % BlockBytes);
        _block[held] = 0x80;
        _block.AsSpan(held + 1).Clear();
        if (held >= BlockBytes - LengthBytes)
        {
            Mix(_block);
            _block.AsSpan().Clear();
        }
        BinaryPrimitives.WriteUInt64BigEndian(_block.AsSpan(BlockBytes - LengthBytes), bits);
        Mix(_block);
        byte[] hash = new byte[Bytes];
        for (int word = 0; word < _state.Length; word++)
            BinaryPrimitives.WriteUInt32BigEndian(hash.AsSpan(word * sizeof(uint)), _state[word]);
        return hash;
    }

    public void Dispose() => _system?.Dispose();

    private void Mix(ReadOnlySpan<byte> block)
    {
        uint[] w = _schedule;
        for (int t = 0; t < 16; t++)
            w[t] = BinaryPrimitives.ReadUInt32BigEndian(block[(t * sizeof(uint))..]);
        for (int t = 16; t < w.Length; t++)
            w[t] = Small(w[t - 2], 17, 19, 10) + w[t - 7] + Small(w[t - 15], 7, 18, 3) + w[t - 16];
        (uint a, uint b, uint c, uint d) = (_state[0], _state[1], _state[2], _state[3]);
        (uint e, uint f, uint g, uint h) = (_state[4], _state[5], _state[6], _state[7]);
        for (int t = 0; t < w.Length; t++)
        {
            uint first = h + Large(e, 6, 11, 25) + ((e & f) ^ (~e & g)) + Constants[t] + w[t];
            uint second = Large(a, 2, 13, 22) + ((a & b) ^ (a & c) ^ (b & c));
            (h, g, f, e, d, c, b, a) = (g, f, e, d + first, c, b, a, first + second);
        }
        ReadOnlySpan<uint> mixed = [a, b, c, d, e, f, g, h];
        for (int word = 0; word < mixed.Length; word++)
            _state[word] += mixed[word];
    }

    private static uint Large(uint x, int first, int second, int third) =>
        BitOperations.RotateRight(x, first) ^ BitOperations.RotateRight(x, second)
        ^ BitOperations.RotateRight(x, third);

    private static uint Small(uint x, int first, int second, int shift) =>
        BitOperations.RotateRight(x, first) ^ BitOperations.RotateRight(x, second) ^ (x >> shift);

    private static void Pad(Span<byte> pad, ReadOnlySpan<byte> key, byte mask)
    {
        pad.Fill(mask);
        for (int at = 0; at < key.Length; at++)
            pad[at] ^= key[at];
    }

    private static IEnumerable<uint> Primes(int count) =>
        Enumerable.Range(2, 400).Where(number => Enumerable.Range(2, number - 2).All(by => number % by != 0))
            .Take(count).Select(prime => (uint)prime);

    // floor(prime^(1/degree) * 2^32) mod 2^32, by bisection in whole numbers.
    private static uint RootFraction(uint prime, int degree)
    {
        BigInteger wanted = new BigInteger(prime) << (32 * degree), low = 0, high = BigInteger.One << 40;
        while (high - low > 1)
        {
            BigInteger middle = (low + high) >> 1;
            if (BigInteger.Pow(middle, degree) <= wanted)
                low = middle;
            else
                high = middle;
        }
        return (uint)(low & uint.MaxValue);
    }
}
