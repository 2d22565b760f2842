using PdEngine.Examples;

namespace PdEngine.Tests;

public sealed class GrpoTests
{
    private const int Seed = 9;

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
        List<RolledSample> samples = [Sample(0, 1, last: 7), Sample(0, 0, last: 9)];
        double free = DistanceAfter(0);
        double held = DistanceAfter(20);
        Assert.That(held, Is.LessThan(0.8 * free));

        double DistanceAfter(double klWeight)
        {
            using TrainerRig rig = Tiny(GrpoRun.Optimiser);
            GrpoOptions options = new(KlWeight: klWeight);
            for (int step = 0; step < 8; step++)
            {
                List<TrainingSequence> sequences = [.. samples.Select(sample => sample.Sequence)];
                rig.Trainer.Score(sequences);
                foreach (TrainingSequence sequence in sequences)
                    sequence.LogProbs.CopyTo(sequence.RolloutLogProbs, 0);
                GrpoStep.Run(rig.Trainer, samples, options, 1e-3, klWeight == 0 ? null : reference.Trainer);
            }
            rig.Trainer.Score([samples[0].Sequence]);
            float now = samples[0].Sequence.LogProbs[2];
            reference.Trainer.Score([samples[0].Sequence]);
            return Math.Abs(now - samples[0].Sequence.LogProbs[2]);
        }
    }

    [Test]
    public void Episodes_are_played_with_the_log_probs_that_the_trainer_computes()
    {
        using CpuBackend backend = CpuTestBackend.Create(CpuIsa.Auto);
        using TrainerRig rig = Tiny(GrpoRun.Optimiser);
        using LocalPlayer player = new(backend, rig.Trainer.Layout.Config);
        player.Load(rig.Trainer.Pushed);
        List<IEpisode> episodes = [.. Enumerable.Range(0, 70).Select(new GuessingGame().Start)];
        IReadOnlyList<PlayedEpisode> played = player.Play(episodes, temperature: 1, seed: Seed);
        List<TrainingSequence> sequences = [.. played.Select(episode => episode.Sequence)];
        rig.Trainer.Score(sequences);
        foreach (TrainingSequence sequence in sequences)
        {
            Assert.That(sequence.ResponseCount, Is.Positive);
            TestTensors.AssertSameBits(sequence.LogProbs, sequence.RolloutLogProbs, $"seed {Seed}");
        }
    }

    [Test]
    public void A_run_improves_what_it_is_rewarded_for_and_goes_on_from_its_state()
    {
        using TrainerRig rig = Tiny(GrpoRun.Optimiser);
        using TrainerRig resumed = Tiny(GrpoRun.Optimiser);
        using CpuBackend backend = CpuTestBackend.Create(CpuIsa.Auto);
        using LocalPlayer player = new(backend, rig.Trainer.Layout.Config);
        GrpoRunOptions options =
            new(Steps: 6, Groups: 2, SamplesPerGroup: 16, LearningRate: 1e-2, WarmUpSteps: 1, Seed: Seed);
        List<GrpoProgress> steps = [];
        Assert.That(Run(rig, options).Run(0, steps.Add, CancellationToken.None), Is.EqualTo(6));
        Assert.That(steps[^1].Skill.Reward, Is.GreaterThan(steps[0].Skill.Reward + 0.1));
        Assert.That(steps, Has.All.Matches<GrpoProgress>(step => step.Update.MeanLogProbDifference == 0));
        string folder = TestFiles.Scratch();
        using TrainerRig half = Tiny(GrpoRun.Optimiser);
        using CancellationTokenSource stop = new();
        int done = Run(half, options).Run(0, StopAtThree, stop.Token);
        ModelFolder.WriteState(folder, half.Trainer, done);
        int first = ModelFolder.ReadState(folder, resumed.Trainer);
        Assert.That(first, Is.EqualTo(3));
        Run(resumed, options).Run(first, _ => { }, CancellationToken.None);
        TestTensors.AssertSameBits(resumed.Trainer.Weights.Values, rig.Trainer.Weights.Values);

        void StopAtThree(GrpoProgress progress)
        {
            if (progress.Step == 3)
                stop.Cancel();
        }

        GrpoRun Run(TrainerRig trained, GrpoRunOptions run) =>
            new(trained.Trainer, player, new Digits(), run, new GrpoOptions(), null);
    }

    private static TrainerRig Tiny(AdamWOptions options)
    {
        ModelConfig config = HfConfig.Parse("config.json", ModelFolder.TinyConfig()) with { LayerCount = 1 };
        TrainerRig rig = TrainerRig.AsEngine(
            config with { SlidingWindows = [0] }, options: options);
        SupervisedRun.Initialise(rig.Trainer, Seed);
        return rig;
    }

    private static RolledSample Sample(int group, float reward, int last = 8) => new(
        group,
        new()
        {
            Tokens = [5, 6, last], IsResponse = [false, true, true], RolloutLogProbs = [0, -1.5f, -2.5f],
        },
        reward);

    /// <summary>Rewards an answer by its share of digits.</summary>
    private sealed class Digits : IEnvironment
    {
        public string Name => "digits";

        public IEpisode Start(int seed) => new Episode();

        private sealed class Episode : IEpisode
        {
            public IReadOnlyList<int> Prompt { get; } = Vocabulary.Ask("?");

            public int Turns { get; private set; }

            public bool Succeeded { get; private set; }

            public TurnOutcome Respond(ReadOnlySpan<int> response)
            {
                Turns++;
                int zero = Vocabulary.Encode("0")[0];
                int digits = 0;
                foreach (int token in response)
                    digits += token >= zero && token < zero + 10 ? 1 : 0;
                Succeeded = digits == response.Length;
                return TurnOutcome.Done(digits / (float)response.Length);
            }
        }
    }
}
