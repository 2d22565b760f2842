using PdEngine.Examples;

namespace PdEngine.Tests;

public sealed class GrpoTests
{
    [Test]
    public void Advantages_are_distances_from_the_groups_mean_over_the_scale()
    {
        List<RolledSample> samples =
        [
            Sample(group: 4, 1), Sample(group: 4, 0), Sample(group: 7, 0.5f), Sample(group: 4, 0.5f),
            Sample(group: 7, 0.5f),
        ];
        GrpoStep.AssignAdvantages(samples, 0.25);
        Assert.That(
            samples.Select(sample => sample.Sequence.Advantage), Is.EqualTo(new[] { 2f, -2f, 0f, 0f, 0f }));
    }

    [TestCase(0.1f, 1f, false), TestCase(0.3f, 1f, true), TestCase(-0.3f, 1f, false)]
    [TestCase(0.3f, -1f, false), TestCase(-0.3f, -1f, true), TestCase(-0.1f, -1f, false)]
    public void The_clip_silences_a_token_that_has_gone_far_enough(
        float rise, float advantage, bool isClipped)
    {
        TrainingSequence sequence = Sample(0, 0).Sequence;
        sequence.Advantage = advantage;
        ClippedPolicyLoss loss = new(0.2, 0.28, klWeight: 0);
        TokenCost cost = loss.Of(sequence, 1, sequence.RolloutLogProbs[1] + rise);
        double ratio = Math.Exp(rise);
        Assert.That(cost.IsClipped, Is.EqualTo(isClipped));
        Assert.That(cost.Slope, Is.EqualTo(isClipped ? 0 : -advantage * ratio).Within(1e-6));
    }

    [Test]
    public void A_step_makes_what_was_rewarded_likelier_and_what_was_not_less_likely()
    {
        using TrainerRig rig = Tiny(GrpoRun.Optimiser);
        List<RolledSample> samples = [Sample(0, 1, last: 7), Sample(0, 0, last: 9)];
        List<TrainingSequence> sequences = [.. samples.Select(sample => sample.Sequence)];
        rig.Trainer.Score(sequences);
        foreach (TrainingSequence sequence in sequences)
            sequence.LogProbs.CopyTo(sequence.RolloutLogProbs, 0);
        GrpoOutcome outcome = GrpoStep.Run(rig.Trainer, samples, new GrpoOptions(), learningRate: 1e-3);
        Assert.That(outcome.MeanLogProbDifference, Is.Zero);
        rig.Trainer.Score(sequences);
        Assert.That(sequences[0].LogProbs[2], Is.GreaterThan(sequences[0].RolloutLogProbs[2]));
        Assert.That(sequences[1].LogProbs[2], Is.LessThan(sequences[1].RolloutLogProbs[2]));
    }

    [Test]
    public void The_divergence_pulls_back_to_the_reference()
    {
        using TrainerRig reference = Tiny(GrpoRun.Optimiser);
        double free = DistanceAfter(0);
        double held = DistanceAfter(20);
        Assert.That(held, Is.LessThan(0.8 * free));

        double DistanceAfter(double klWeight)
        {
            using TrainerRig rig = Tiny(GrpoRun.Optimiser);
            List<RolledSample> samples = [Sample(0, 1, last: 7), Sample(0, 0, last: 9)];
            List<TrainingSequence> sequences = [.. samples.Select(sample => sample.Sequence)];
            reference.Trainer.Score(sequences);
            foreach (TrainingSequence sequence in sequences)
                sequence.ReferenceLogProbs = [.. sequence.LogProbs];
            for (int step = 0; step < 8; step++)
            {
                rig.Trainer.Score(sequences);
                foreach (TrainingSequence sequence in sequences)
                    sequence.LogProbs.CopyTo(sequence.RolloutLogProbs, 0);
                GrpoStep.Run(rig.Trainer, samples, new GrpoOptions(KlWeight: klWeight), 1e-3);
            }
            rig.Trainer.Score(sequences);
            return Math.Abs(sequences[0].LogProbs[2] - sequences[0].ReferenceLogProbs[2]);
        }
    }

    [Test]
    public void Samples_of_mixed_versions_are_left_out_of_the_difference()
    {
        using TrainerRig rig = Tiny(GrpoRun.Optimiser);
        List<RolledSample> samples = [Sample(0, 1), Sample(0, 0, hasMixedKv: true)];
        rig.Trainer.Score([samples[0].Sequence]);
        samples[0].Sequence.LogProbs.CopyTo(samples[0].Sequence.RolloutLogProbs, 0);
        samples[0].Sequence.RolloutLogProbs[2] += 0.25f;
        GrpoOutcome outcome = GrpoStep.Run(rig.Trainer, samples, new GrpoOptions(), learningRate: 1e-3);
        Assert.That(outcome.MeanLogProbDifference, Is.EqualTo(0.125).Within(1e-6));
    }

    private static TrainerRig Tiny(AdamWOptions options)
    {
        using ICheckpoint checkpoint = Checkpoint.Open(GrpoRig.TinyFolder());
        TrainerRig rig = TrainerRig.AsEngine(checkpoint.Config, options: options);
        rig.Trainer.Read(checkpoint);
        return rig;
    }

    private static RolledSample Sample(int group, float reward, int last = 8, bool hasMixedKv = false) => new(
        group,
        new()
        {
            Tokens = [5, 6, last], IsResponse = [false, true, true], RolloutLogProbs = [0, -1.5f, -2.5f],
            HasMixedKv = hasMixedKv,
        },
        reward);
}
