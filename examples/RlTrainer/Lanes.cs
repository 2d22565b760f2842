using System.Runtime.Intrinsics;

namespace PdEngine.Examples;

/// <summary>Sixteen floats at a time, with sums in one order on every instruction set.</summary>
internal static class Lanes
{
    public const int Count = 16;

    /// <summary>Rows or sequences that one task takes are shared over this many threads.</summary>
    public static ParallelOptions Threads(int count) => new() { MaxDegreeOfParallelism = count };

    /// <summary>The lanes' sum, halved pairwise.</summary>
    public static float Sum(Vector512<float> lanes)
    {
        Vector256<float> eight = lanes.GetLower() + lanes.GetUpper();
        Vector128<float> four = eight.GetLower() + eight.GetUpper();
        return (four[0] + four[2]) + (four[1] + four[3]);
    }

    public static float Max(Vector512<float> lanes)
    {
        Vector256<float> eight = Vector256.Max(lanes.GetLower(), lanes.GetUpper());
        Vector128<float> four = Vector128.Max(eight.GetLower(), eight.GetUpper());
        return MathF.Max(MathF.Max(four[0], four[2]), MathF.Max(four[1], four[3]));
    }

    /// <summary>a * b + c, rounded once.</summary>
    public static Vector512<float> Fma(Vector512<float> a, Vector512<float> b, Vector512<float> c) =>
        Vector512.FusedMultiplyAdd(a, b, c);

    /// <summary>1 / (1 + e^-x).</summary>
    public static Vector512<float> Sigmoid(Vector512<float> x) =>
        Vector512<float>.One / (Vector512<float>.One + Vector512.Exp(-x));
}
