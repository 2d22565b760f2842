using System.Runtime.Intrinsics;

namespace PdEngine.Examples;

/// <summary>Adam with decoupled weight decay.</summary>
/// <param name="Beta1">Decay of the first moment.</param>
/// <param name="Beta2">Decay of the second moment.</param>
/// <param name="Epsilon">Added to the root of the second moment.</param>
/// <param name="WeightDecay">Share of a weight, times the learning rate, that a step takes away.</param>
/// <param name="MaxGradientNorm">Longer gradients are shortened to this.</param>
internal sealed record AdamWOptions(
    double Beta1 = 0.9, double Beta2 = 0.95, double Epsilon = 1e-8, double WeightDecay = 0,
    double MaxGradientNorm = 1);

/// <summary>The optimiser's moments, and its step over all parameters at once.</summary>
internal sealed unsafe class AdamW(AdamWOptions options, int parameterCount) : IDisposable
{
    public FloatVector FirstMoment { get; } = new(parameterCount);

    public FloatVector SecondMoment { get; } = new(parameterCount);

    /// <summary>Steps taken; set by a resume.</summary>
    public int StepCount { get; set; }

    /// <summary>Moves the weights once.</summary>
    /// <param name="weights">Moved.</param>
    /// <param name="gradients">Read only.</param>
    /// <param name="learningRate">Of this step.</param>
    /// <returns>The gradient's norm before it was clipped.</returns>
    public double Step(FloatVector weights, FloatVector gradients, double learningRate)
    {
        double norm = Norm(gradients.Values);
        StepCount++;
        // The constant is torch's, whose clipping this follows.
        double clip = Math.Min(1, options.MaxGradientNorm / (norm + 1e-6));
        double correction1 = 1 - Math.Pow(options.Beta1, StepCount);
        double correction2 = 1 - Math.Pow(options.Beta2, StepCount);
        Pace pace = new(
            (float)clip, (float)options.Beta1, (float)options.Beta2, (float)(learningRate / correction1),
            (float)(1 / Math.Sqrt(correction2)), (float)options.Epsilon,
            (float)(1 - (learningRate * options.WeightDecay)));
        for (int at = 0; at < weights.Count; at += Lanes.Count)
            Move(weights, gradients, at, Math.Min(Lanes.Count, weights.Count - at), pace);
        return norm;
    }

    public void Dispose()
    {
        FirstMoment.Dispose();
        SecondMoment.Dispose();
    }

    private static double Norm(ReadOnlySpan<float> values)
    {
        double sum = 0;
        foreach (float value in values)
            sum += (double)value * value;
        return Math.Sqrt(sum);
    }

    private void Move(FloatVector weights, FloatVector gradients, int at, int count, in Pace pace)
    {
        Vector512<float> gradient = Take(gradients, at, count) * Vector512.Create(pace.Clip);
        Vector512<float> first = Take(FirstMoment, at, count);
        Vector512<float> second = Take(SecondMoment, at, count);
        first = (first * Vector512.Create(pace.Beta1)) + (gradient * Vector512.Create(1 - pace.Beta1));
        second = (second * Vector512.Create(pace.Beta2))
            + (gradient * gradient * Vector512.Create(1 - pace.Beta2));
        Vector512<float> root = (Vector512.Sqrt(second) * Vector512.Create(pace.RootScale))
            + Vector512.Create(pace.Epsilon);
        Vector512<float> weight = (Take(weights, at, count) * Vector512.Create(pace.Decay))
            - (Vector512.Create(pace.Rate) * first / root);
        Put(first, FirstMoment, at, count);
        Put(second, SecondMoment, at, count);
        Put(weight, weights, at, count);
    }

    private static Vector512<float> Take(FloatVector from, int at, int count)
    {
        if (count == Lanes.Count)
            return Vector512.Load(from.Address + at);
        float* lanes = stackalloc float[Lanes.Count];
        from.Values.Slice(at, count).CopyTo(new Span<float>(lanes, Lanes.Count));
        return Vector512.Load(lanes);
    }

    private static void Put(Vector512<float> value, FloatVector to, int at, int count)
    {
        float* lanes = stackalloc float[Lanes.Count];
        value.Store(lanes);
        new Span<float>(lanes, count).CopyTo(to.Values[at..]);
    }

    private readonly record struct Pace(
        float Clip, float Beta1, float Beta2, float Rate, float RootScale, float Epsilon, float Decay);
}
