using System.Diagnostics;

namespace PdEngine.Examples;

/// <summary>Supervised pre-training: imitates <see cref="SupervisedMix"/> from random weights.</summary>
internal static class SupervisedRun
{
    private const int WarmUpSteps = 50;
    private const double InitialDeviation = 0.05;

    /// <summary>As the published checkpoint was trained.</summary>
    public static AdamWOptions Optimiser { get; } = new(WeightDecay: 0.01);

    /// <summary>Normal weights of one size, norms of one, for a seed.</summary>
    public static void Initialise(Trainer trainer, int seed)
    {
        Random random = new(seed);
        foreach (ParameterSlot slot in trainer.Layout.Slots)
        {
            Span<float> values = trainer.Weights.Values.Slice(slot.Offset, slot.Count);
            if (slot.Shape.Length == 1)
            {
                values.Fill(1);
                continue;
            }
            // What is added to the residual stream starts small, so that depth does not blow it up.
            bool isAdded = slot.Name.Contains("o_proj", StringComparison.Ordinal)
                || slot.Name.Contains("down_proj", StringComparison.Ordinal);
            double deviation = isAdded
                ? InitialDeviation / Math.Sqrt(2 * trainer.Layout.Layers.Length)
                : InitialDeviation;
            for (int index = 0; index < values.Length; index++)
                values[index] = (float)(deviation * Normal(random));
        }
        trainer.Push();
    }

    /// <summary>Trains; says how it goes every hundred steps.</summary>
    public static void Train(
        Trainer trainer, SupervisedOptions options, TextWriter output, CancellationToken cancellation)
    {
        options.Check();
        SupervisedMix mix = new(options.Seed, options);
        Stopwatch clock = Stopwatch.StartNew();
        double loss = 0;
        long tokens = 0;
        for (int step = 0; step < options.Steps; step++)
        {
            cancellation.ThrowIfCancellationRequested();
            List<TrainingSequence> batch = mix.Next();
            BatchOutcome outcome = trainer.Accumulate(batch, new CrossEntropyLoss());
            double progress = (double)step / options.Steps;
            trainer.Step(LearningRate.Cosine(options.LearningRate, step, WarmUpSteps, progress));
            loss += outcome.Loss;
            tokens += batch.Sum(sequence => sequence.Tokens.Length);
            if ((step + 1) % 100 != 0)
                continue;
            output.WriteLine(
                $"step {step + 1,5}  loss {loss / 100:F4}  "
                + $"{tokens / clock.Elapsed.TotalSeconds,8:F0} tokens/s  {clock.Elapsed.TotalSeconds:F0} s");
            loss = 0;
        }
    }

    private static double Normal(Random random) =>
        Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
}
