namespace PdEngine.Examples;

/// <summary>How samples become an update.</summary>
/// <param name="AdvantageScale">Divides a reward's distance from its group's mean.</param>
/// <param name="ClipLow">How far a token's ratio may fall.</param>
/// <param name="ClipHigh">How far it may rise.</param>
/// <param name="KlWeight">Of the divergence from the reference; 0 has none.</param>
/// <param name="Temperature">Of the rollout's log-probs.</param>
internal sealed record GrpoOptions(
    double AdvantageScale = 0.25, double ClipLow = 0.2, double ClipHigh = 0.28, double KlWeight = 0,
    float Temperature = 1)
{
    /// <exception cref="OptionsException">No update can be made by these.</exception>
    public void Check()
    {
        FlagRange.Check("--kl", KlWeight, 0, 1e3);
        FlagRange.CheckPositive(nameof(Temperature), Temperature, 1e3);
        FlagRange.CheckPositive(nameof(AdvantageScale), AdvantageScale, 1e3);
    }
}

/// <summary>A rolled-out sample, whoever made it.</summary>
/// <param name="Group">Samples of one task share it.</param>
/// <param name="Sequence">Tokens, which of them are the model's, and their log-probs at rollout.</param>
/// <param name="Reward">Of the sample.</param>
internal readonly record struct RolledSample(int Group, TrainingSequence Sequence, float Reward);

/// <summary>What an update came to.</summary>
/// <param name="Batch">Loss and tokens.</param>
/// <param name="GradientNorm">Before it was clipped.</param>
/// <param name="MeanLogProbDifference">
/// Mean over response tokens of |log-prob of the trainer - log-prob of the rollout|, before the update;
/// without samples of mixed K and V.
/// </param>
internal readonly record struct GrpoOutcome(
    BatchOutcome Batch, double GradientNorm, double MeanLogProbDifference);

/// <summary>
/// One update by group-relative policy optimisation. A group's advantages are distances from its mean, not
/// divided by its deviation: a group that nearly always wins must not be driven as hard as one that is torn.
/// </summary>
internal static class GrpoStep
{
    /// <param name="trainer">Moved.</param>
    /// <param name="samples">Of whole groups; with log-probs of the reference where there is a KL
    /// term.</param>
    /// <param name="options">How.</param>
    /// <param name="learningRate">Of this step.</param>
    public static GrpoOutcome Run(
        Trainer trainer, IReadOnlyList<RolledSample> samples, GrpoOptions options, double learningRate)
    {
        AssignAdvantages(samples, options.AdvantageScale);
        List<TrainingSequence> batch = [.. samples.Select(sample => sample.Sequence)];
        ClippedPolicyLoss loss = new(options.ClipLow, options.ClipHigh, options.KlWeight);
        BatchOutcome outcome = trainer.Accumulate(batch, loss, options.Temperature);
        double difference = MeanDifference(batch);
        return new(outcome, trainer.Step(learningRate), difference);
    }

    /// <summary>(reward - mean of the group) / scale.</summary>
    public static void AssignAdvantages(IReadOnlyList<RolledSample> samples, double scale)
    {
        Dictionary<int, (double Sum, int Count)> groups = [];
        foreach (RolledSample sample in samples)
        {
            (double sum, int count) = groups.GetValueOrDefault(sample.Group);
            groups[sample.Group] = (sum + sample.Reward, count + 1);
        }
        foreach (RolledSample sample in samples)
        {
            (double sum, int count) = groups[sample.Group];
            sample.Sequence.Advantage = (float)((sample.Reward - (sum / count)) / scale);
        }
    }

    private static double MeanDifference(List<TrainingSequence> batch)
    {
        (double sum, int count) = (0, 0);
        foreach (TrainingSequence sequence in batch)
        {
            for (int position = 1; position < sequence.Tokens.Length; position++)
            {
                if (!sequence.IsResponse[position] || sequence.HasMixedKv)
                    continue;
                sum += Math.Abs((double)sequence.LogProbs[position] - sequence.RolloutLogProbs[position]);
                count++;
            }
        }
        return sum / Math.Max(1, count);
    }
}
