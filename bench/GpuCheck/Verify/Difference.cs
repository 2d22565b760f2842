using System.Globalization;

namespace PdEngine.Bench;

/// <summary>How far outputs lie from what they should be.</summary>
/// <param name="IsFine">Near enough, or the same.</param>
/// <param name="Error">Of the whole, by its norm; of exact outputs how many differ.</param>
/// <param name="At">Where it is worst, or first.</param>
/// <param name="Expected">What it should be there.</param>
/// <param name="Actual">What it is there.</param>
/// <param name="Count">Outputs compared.</param>
internal sealed record Difference(
    bool IsFine, double Error, int At, float Expected, float Actual, long Count)
{
    // Of outputs near rms: a wrong one among millions must show too.
    private const double WorstShare = 24;

    /// <summary>Fine where the norm of the difference is small and no output lies far off.</summary>
    public static Difference Near(ReadOnlySpan<float> actual, ReadOnlySpan<float> expected, double tolerance)
    {
        if (actual.Length != expected.Length)
            return new(false, double.NaN, 0, expected.Length, actual.Length, 0);
        double squares = 0, errors = 0, worst = -1;
        foreach (float value in expected)
            squares += (double)value * value;
        double typical = Math.Sqrt(squares / Math.Max(1, expected.Length));
        int at = 0;
        for (int i = 0; i < actual.Length; i++)
        {
            double off = Math.Abs((double)actual[i] - expected[i]);
            errors += off * off;
            double share = off / (typical + Math.Abs(expected[i]) + 1e-30);
            // Not smaller: NaN is the worst of all.
            if (!(share <= worst))
                (worst, at) = (share, i);
            if (double.IsNaN(share))
                break;
        }
        double error = squares == 0 ? Math.Sqrt(errors) : Math.Sqrt(errors / squares);
        bool isFine = error <= tolerance && worst <= tolerance * WorstShare;
        return new(isFine, error, at, Value(expected, at), Value(actual, at), actual.Length);
    }

    /// <summary>Fine where every bit is the same.</summary>
    public static Difference Exact(ReadOnlySpan<float> actual, ReadOnlySpan<float> expected)
    {
        if (actual.Length != expected.Length)
            return new(false, double.NaN, 0, expected.Length, actual.Length, 0);
        int first = -1, count = 0;
        for (int i = 0; i < actual.Length; i++)
        {
            if (BitConverter.SingleToInt32Bits(actual[i]) == BitConverter.SingleToInt32Bits(expected[i])
                && !float.IsNaN(actual[i]))
            {
                continue;
            }
            first = first < 0 ? i : first;
            count++;
        }
        int at = Math.Max(first, 0);
        return new(first < 0, count, at, Value(expected, at), Value(actual, at), actual.Length);
    }

    /// <summary>The row of a comparison.</summary>
    public CheckRow Row(string name, int seed)
    {
        CheckRow row = new CheckRow(name).With("compared", Count).With("error", Error);
        return IsFine ? row : row.Failed(Text(name, seed));
    }

    public string Text(string what, int seed) => string.Create(
        CultureInfo.InvariantCulture,
        $"{what}: output {At} of {Count} is {Actual:R} and should be {Expected:R}; error {Error:G3}, seed "
        + $"{seed}");

    private static float Value(ReadOnlySpan<float> values, int at) =>
        at < values.Length ? values[at] : float.NaN;
}
