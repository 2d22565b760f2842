namespace PdEngine;

/// <summary>
/// Rotary frequencies under each kind of scaling, computed in double and rounded once to float32.
/// </summary>
internal static class RopeScaling
{
    /// <summary>theta^(-2j/headDim) for every pair j.</summary>
    public static double[] Plain(int headDim, double theta)
    {
        double[] frequencies = new double[headDim / 2];
        for (int pair = 0; pair < frequencies.Length; pair++)
            frequencies[pair] = Math.Pow(theta, -2.0 * pair / headDim);
        return frequencies;
    }

    /// <summary>Every frequency divided by <paramref name="factor"/>: position interpolation.</summary>
    public static double[] Linear(int headDim, double theta, double factor) =>
        Array.ConvertAll(Plain(headDim, theta), frequency => frequency / factor);

    /// <summary>Llama 3.1: long waves are stretched, short ones kept, those between blended.</summary>
    public static double[] Llama3(
        int headDim, double theta, double factor, double lowFrequencyFactor, double highFrequencyFactor,
        double originalPositions) =>
        Array.ConvertAll(Plain(headDim, theta), frequency =>
        {
            double wavelength = 2 * Math.PI / frequency;
            if (wavelength > originalPositions / lowFrequencyFactor)
                return frequency / factor;
            if (wavelength < originalPositions / highFrequencyFactor)
                return frequency;
            double smooth = (originalPositions / wavelength - lowFrequencyFactor)
                / (highFrequencyFactor - lowFrequencyFactor);
            return (1 - smooth) * frequency / factor + smooth * frequency;
        });

    /// <summary>
    /// YaRN: pairs that turn often are kept, pairs that turn seldom are stretched, a ramp lies between.
    /// </summary>
    public static double[] Yarn(int headDim, double theta, YarnScaling yarn)
    {
        double low = CorrectionPair(yarn.BetaFast, headDim, theta, yarn.OriginalPositions);
        double high = CorrectionPair(yarn.BetaSlow, headDim, theta, yarn.OriginalPositions);
        if (yarn.Truncate)
            (low, high) = (Math.Floor(low), Math.Ceiling(high));
        low = Math.Max(low, 0);
        high = Math.Min(high, headDim - 1);
        if (low == high)
            high += 0.001;
        double[] frequencies = Plain(headDim, theta);
        for (int pair = 0; pair < frequencies.Length; pair++)
        {
            double stretched = Math.Clamp((pair - low) / (high - low), 0, 1);
            double plain = frequencies[pair];
            frequencies[pair] = stretched * plain / yarn.Factor + (1 - stretched) * plain;
        }
        return frequencies;
    }

    /// <summary>
    /// YaRN's factor on cos and sin for a context stretched <paramref name="scale"/> times.
    /// </summary>
    public static double YarnMagnitude(double scale, double multiplier = 1) =>
        scale <= 1 ? 1 : 0.1 * multiplier * Math.Log(scale) + 1;

    /// <summary>Rounds, and refuses what rounding leaves no number of.</summary>
    /// <exception cref="CheckpointException">
    /// A frequency or the factor is not a positive, finite float32.
    /// </exception>
    public static RopeConfig Rounded(string path, double[] frequencies, double attentionFactor)
    {
        float[] rounded = Array.ConvertAll(frequencies, frequency => (float)frequency);
        int bad = Array.FindIndex(rounded, frequency => !float.IsFinite(frequency) || frequency < 0);
        if (bad >= 0)
            throw new CheckpointException(path, $"its rope parameters give pair {bad} the frequency " +
                                                $"{rounded[bad]}");
        return float.IsFinite((float)attentionFactor) && attentionFactor > 0
            ? new RopeConfig(rounded, (float)attentionFactor)
            : throw new CheckpointException(path, "its rope parameters give the attention factor " +
                                                  $"{attentionFactor}");
    }

    private static double CorrectionPair(
        double rotations, int headDim, double theta, double originalPositions) =>
        headDim * Math.Log(originalPositions / (rotations * 2 * Math.PI)) / (2 * Math.Log(theta));
}
