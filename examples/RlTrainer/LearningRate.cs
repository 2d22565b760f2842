namespace PdEngine.Examples;

/// <summary>How the learning rate changes over a run.</summary>
internal static class LearningRate
{
    private const double FinalShare = 0.05;

    /// <summary>Rises over the first steps, then falls in a straight line to a twentieth.</summary>
    /// <param name="largest">At the top.</param>
    /// <param name="step">Steps done.</param>
    /// <param name="warmUpSteps">Steps of the rise.</param>
    /// <param name="progress">Share of the run that is over, in steps or in time.</param>
    public static double Linear(double largest, int step, int warmUpSteps, double progress) =>
        largest * WarmUp(step, warmUpSteps) * (1 - ((1 - FinalShare) * Math.Clamp(progress, 0, 1)));

    /// <summary>The same with a fall by half a cosine.</summary>
    public static double Cosine(double largest, int step, int warmUpSteps, double progress)
    {
        double share = (1 + Math.Cos(Math.PI * Math.Clamp(progress, 0, 1))) / 2;
        return largest * WarmUp(step, warmUpSteps) * (FinalShare + ((1 - FinalShare) * share));
    }

    private static double WarmUp(int step, int steps) => Math.Min(1, (step + 1.0) / Math.Max(1, steps));
}
