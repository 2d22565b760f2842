using System.Runtime.InteropServices;

namespace PdEngine;

/// <summary>64-bit hashes that are the same in every process, unlike those of the runtime.</summary>
internal static class RouteHash
{
    /// <summary>Keeps these hashes apart from sampling's draws, which mix the same seed and ids.</summary>
    private const ulong Domain = 0xA24BAED4963EE407;

    public static ulong Of(string key) => Mix(0, PieceHash.Of(MemoryMarshal.AsBytes(key.AsSpan())));

    public static ulong Of(ReadOnlySpan<int> tokens) =>
        Mix(1, PieceHash.Of(MemoryMarshal.AsBytes(tokens)));

    public static ulong Mix(ulong left, ulong right) => RequestIntake.Mix(left ^ Domain, right);

    /// <summary>Spreads a hash evenly over [0, count).</summary>
    public static int Below(ulong hash, int count) => (int)Math.BigMul(hash, (ulong)count, out _);
}
