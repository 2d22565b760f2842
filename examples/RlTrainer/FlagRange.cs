namespace PdEngine.Examples;

/// <summary>Refuses what a flag cannot mean, before a run is begun with it.</summary>
internal static class FlagRange
{
    /// <exception cref="OptionsException">The value is outside, or no number.</exception>
    public static void Check(string flag, double value, double least, double most)
    {
        // No number compares with NaN, so that it is refused, too.
        if (!(value >= least && value <= most))
            throw new OptionsException(flag, FormattableString.Invariant(
                $"{value} is not in {least} to {most}"));
    }

    /// <inheritdoc cref="Check(string, double, double, double)"/>
    public static void CheckPositive(string flag, double value, double most)
    {
        if (!(value > 0 && value <= most))
            throw new OptionsException(flag, FormattableString.Invariant(
                $"{value} is not more than 0 and at most {most}"));
    }
}
