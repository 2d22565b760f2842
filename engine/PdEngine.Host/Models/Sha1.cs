using System.Buffers.Binary;
using System.Numerics;
using System.Text;

namespace PdEngine.Host;

/// <summary>
/// SHA-1 (FIPS 180-4), by which git names its files; .NET's own needs OpenSSL, which a bare system has not.
/// It tells what was damaged on the way, not what was forged.
/// </summary>
internal sealed class Sha1
{
    private const int BlockBytes = 64;

    private readonly uint[] _state = [0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0];
    private readonly uint[] _schedule = new uint[80];
    private readonly byte[] _block = new byte[BlockBytes];
    private ulong _length;

    /// <summary>What git hashes before a file's content.</summary>
    public static byte[] BlobStart(long sizeBytes) => Encoding.ASCII.GetBytes($"blob {sizeBytes}\0");

    public void Append(ReadOnlySpan<byte> content)
    {
        while (!content.IsEmpty)
        {
            int held = (int)(_length % BlockBytes);
            int taken = Math.Min(content.Length, BlockBytes - held);
            content[..taken].CopyTo(_block.AsSpan(held));
            content = content[taken..];
            _length += (ulong)taken;
            if (held + taken == BlockBytes)
                Mix();
        }
    }

    /// <summary>The hash of all that was appended; nothing more may be.</summary>
    public byte[] Finish()
    {
        ulong bits = _length * 8;
        Append([0x80]);
        while (_length % BlockBytes != BlockBytes - sizeof(ulong))
            Append([0]);
        Span<byte> length = stackalloc byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64BigEndian(length, bits);
        Append(length);
        byte[] hash = new byte[20];
        for (int word = 0; word < _state.Length; word++)
            BinaryPrimitives.WriteUInt32BigEndian(hash.AsSpan(word * sizeof(uint)), _state[word]);
        return hash;
    }

    private void Mix()
    {
        uint[] w = _schedule;
        for (int t = 0; t < 16; t++)
            w[t] = BinaryPrimitives.ReadUInt32BigEndian(_block.AsSpan(t * sizeof(uint)));
        for (int t = 16; t < w.Length; t++)
            w[t] = BitOperations.RotateLeft(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);
        (uint a, uint b, uint c, uint d, uint e) = (_state[0], _state[1], _state[2], _state[3], _state[4]);
        for (int t = 0; t < w.Length; t++)
        {
            (uint f, uint k) = t switch
            {
                < 20 => ((b & c) | (~b & d), 0x5A827999u),
                < 40 => (b ^ c ^ d, 0x6ED9EBA1u),
                < 60 => ((b & c) | (b & d) | (c & d), 0x8F1BBCDCu),
                _ => (b ^ c ^ d, 0xCA62C1D6u),
            };
            uint next = BitOperations.RotateLeft(a, 5) + f + e + k + w[t];
            (e, d, c, b, a) = (d, c, BitOperations.RotateLeft(b, 30), a, next);
        }
        (_state[0], _state[1], _state[2]) = (_state[0] + a, _state[1] + b, _state[2] + c);
        (_state[3], _state[4]) = (_state[3] + d, _state[4] + e);
    }
}
