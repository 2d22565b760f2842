using System.Text.Json;
using PdEngine.Examples;

namespace PdEngine.Tests;

/// <summary>The trainer's loop on an engine of prefill and decode workers.</summary>
public sealed class GrpoRunTests
{
    private const int Seed = 9;

    private static readonly GrpoRunOptions Few =
        new(Steps: 3, Groups: 4, SamplesPerGroup: 8, LearningRate: 1e-3, WarmUpSteps: 1, Seed: Seed);

    private static string PdTiny => Path.Combine(TestFiles.Root, "models", "pd-tiny");

    [Test]
    public async Task Log_probs_of_rollout_trainer_and_score_are_bitwise_the_same_through_hand_offs()
    {
        await using GrpoRig rig = await GrpoRig.StartAsync(PdTiny);
        List<GrpoProgress> steps = await rig.RunAsync(new GuessingGame(), Few);
        Assert.That(steps, Has.Count.EqualTo(3));
        foreach (GrpoProgress step in steps)
        {
            Assert.That(step.Update.MeanLogProbDifference, Is.Zero, $"step {step.Step}");
            Assert.That(step.Played.ScoreDifference, Is.Zero, $"step {step.Step}");
            Assert.That((step.Played.MixedKvSamples, step.Played.Staleness), Is.EqualTo((0, 0)));
            Assert.That(step.Played.CacheHitShare, Is.InRange(0.3, 1), "turns find the turns before them");
            Assert.That(step.Played.FirstTokenMs, Is.Positive);
            Assert.That(step.Evaluation is not null, Is.EqualTo(step.Step == 1));
        }
        Assert.That(rig.Model.WeightVersion, Is.EqualTo("3"));
        WorkerStatus prefill = rig.Model.Workers.Single(worker => worker.Role == WorkerType.Prefill);
        Assert.That(prefill.PrefillTokens, Is.Positive);
        Assert.That(rig.Model.LeakReport().LiveRequests, Is.Zero);
    }

    [Test]
    public async Task A_run_improves_what_it_is_rewarded_for_and_goes_on_from_its_state()
    {
        GrpoRunOptions options =
            Few with { Steps = 6, Groups = 2, SamplesPerGroup = 16, LearningRate = 1e-2 };
        await using GrpoRig whole = await GrpoRig.StartAsync();
        List<GrpoProgress> steps = await whole.RunAsync(new Digits(), options);
        Assert.That(
            steps[^1].Played.Skill.Reward, Is.GreaterThan(steps[0].Played.Skill.Reward + 0.1));
        string folder = TestFiles.Scratch();
        await using (GrpoRig half = await GrpoRig.StartAsync())
        {
            List<GrpoProgress> first = await half.RunAsync(new Digits(), options, lastStep: 3);
            ModelFolder.WriteState(folder, half.Trainer, first[^1].Step);
        }
        await using GrpoRig resumed = await GrpoRig.StartAsync();
        int done = ModelFolder.ReadState(folder, resumed.Trainer);
        Assert.That(done, Is.EqualTo(3));
        List<GrpoProgress> rest = await resumed.RunAsync(new Digits(), options, firstStep: done);
        Assert.That(rest.Select(step => step.Step), Is.EqualTo(new[] { 4, 5, 6 }));
        Assert.That(
            rest.Select(step => step.Played.Skill),
            Is.EqualTo(steps.Skip(3).Select(step => step.Played.Skill)));
        TestTensors.AssertSameBits(resumed.Trainer.Weights.Values, whole.Trainer.Weights.Values);
        Assert.That(resumed.Model.WeightVersion, Is.EqualTo("6"));
    }

    [TestCase(PauseMode.InPlace, 1), TestCase(PauseMode.Retract, 2)]
    public async Task Rollouts_beside_training_stay_within_their_bound(PauseMode pause, int maxStaleness)
    {
        await using GrpoRig rig = await GrpoRig.StartAsync(PdTiny);
        List<GrpoProgress> steps = await rig.RunAsync(new GuessingGame(), Few with
        {
            Steps = 8, IsAsync = true, MaxStaleness = maxStaleness, PauseMode = pause,
        });
        Assert.That(steps, Has.Count.EqualTo(8));
        Assert.That(steps.Max(step => step.Played.Staleness), Is.InRange(1, maxStaleness));
        foreach (GrpoProgress step in steps)
        {
            Assert.That(step.Played.ScoreDifference ?? 0, Is.Zero, $"step {step.Step}");
            if (step.Played.Staleness == 0)
                Assert.That(step.Update.MeanLogProbDifference, Is.Zero, $"step {step.Step}");
            if (pause == PauseMode.Retract)
                Assert.That(step.Played.MixedKvSamples, Is.Zero);
        }
        Assert.That(steps, Has.Some.Matches<GrpoProgress>(step => step.Played.ScoreDifference is not null));
        Assert.That(rig.Model.WeightVersion, Is.EqualTo("8"));
        Assert.That(rig.Model.LeakReport().LiveRequests, Is.Zero);
    }

    [Test]
    public async Task Samples_that_weights_were_swapped_under_are_counted_and_not_scored()
    {
        SlowClock clock = new();
        clock.Release();
        await using GrpoRig rig = await GrpoRig.StartAsync(clock: clock);
        using GamePlayer player = new(
            rig.Model, null, new Digits(), Few with { Groups = 4 }, temperature: 1, firstStep: 0);
        await PushAsync(1);
        await rig.Model.PauseAsync(PauseMode.Retract);
        Task<IReadOnlyList<RolloutGroup>> playing = player.PlayAsync(step: 0);
        clock.Slow();
        await rig.Model.ContinueAsync();
        for (int version = 2; !playing.IsCompleted; version++)
        {
            while (!playing.IsCompleted && rig.Model.Workers.All(worker => worker.Decoding == 0))
                await Task.Delay(1);
            await PushAsync(version);
            if (version == 4)
                clock.Release();
        }
        IReadOnlyList<RolloutGroup> groups = await playing;
        RolloutSample[] samples = [.. groups.SelectMany(group => group.Samples)];
        RolloutTally tally = RolloutTally.Of(samples, staleness: 0);
        int mixed = samples.Count(sample => sample.HasMixedKv);
        Assert.That(tally.MixedKvSamples, Is.EqualTo(mixed).And.Positive);
        Assert.That(tally.ScoreDifference ?? 0, Is.Zero);

        async Task PushAsync(int version)
        {
            rig.Trainer.Weights.Values[rig.Trainer.Layout.Head + version] += 1;
            rig.Trainer.Push();
            using WeightUpdate update = rig.Trainer.ToUpdate($"{version}");
            await rig.Model.UpdateWeightsAsync(update, new() { Mode = PauseMode.InPlace });
        }
    }

    [Test]
    public async Task The_reference_scores_with_the_weights_of_the_start_whatever_is_pushed()
    {
        await using GrpoRig rig = await GrpoRig.StartAsync(PdTiny, hasReference: true);
        EngineModel reference = rig.Engine.GetModel(PlayPlan.Reference);
        using GamePlayer player =
            new(rig.Model, reference, new GuessingGame(), Few, temperature: 1, firstStep: 7);
        IReadOnlyList<RolloutGroup> groups = await player.PlayAsync(step: 7);
        RolloutSample[] samples = [.. groups.SelectMany(group => group.Samples)];
        List<GrpoProgress> steps = await rig.RunAsync(new GuessingGame(), Few, klWeight: 0.1);
        Assert.That(steps, Has.All.Matches<GrpoProgress>(step => step.Update.MeanLogProbDifference == 0));
        float[][] scores = await player.ScoreReferenceAsync(samples);
        for (int index = 0; index < samples.Length; index++)
            Assert.That(scores[index], Is.EqualTo(samples[index].LogProbs));
        Assert.That((rig.Model.WeightVersion, reference.WeightVersion), Is.EqualTo(("3", "default")));
        using RolloutSession session = new(rig.Model, GamePlayer.OptionsFor(temperature: 1));
        Assert.That(await session.ScoreByPresentAsync(samples[0]), Is.Not.EqualTo(samples[0].LogProbs));
        Assert.That(
            async () => await session.ScoreAsync(samples[0], "default"),
            Throws.TypeOf<WeightVersionMismatchException>());
    }

    [Test]
    public void A_line_of_json_has_the_fields_that_readers_know()
    {
        Skill skill = new(0.5, 0.9, 5);
        GrpoProgress progress = new(
            4, new(skill, ScoreDifference: null, 2, 1, 3.5, 0.75), new(new(0.1, 600, 3), 0.4, 1e-3), 1e-4,
            new(1, 2, 0.5, Rollout: 3), Evaluation: skill);
        using JsonDocument line = JsonDocument.Parse(ProgressFiles.JsonLine(progress));
        JsonElement root = line.RootElement;
        Assert.That(root.GetProperty("step").GetInt32(), Is.EqualTo(4));
        Assert.That(root.GetProperty("reward").GetDouble(), Is.EqualTo(0.5));
        Assert.That(root.GetProperty("success").GetDouble(), Is.EqualTo(0.9));
        Assert.That(root.GetProperty("turns").GetDouble(), Is.EqualTo(5));
        Assert.That(root.GetProperty("logprob_diff_trainer").GetDouble(), Is.EqualTo(1e-3));
        Assert.That(root.GetProperty("logprob_diff_score").ValueKind, Is.EqualTo(JsonValueKind.Null));
        Assert.That(root.GetProperty("mixed_kv_samples").GetInt32(), Is.EqualTo(2));
        Assert.That(root.GetProperty("tokens_per_second").GetDouble(), Is.EqualTo(200));
        Assert.That(root.GetProperty("staleness").GetInt32(), Is.EqualTo(1));
        Assert.That(root.GetProperty("ttft_ms").GetDouble(), Is.EqualTo(3.5));
        Assert.That(root.GetProperty("cache_hit_share").GetDouble(), Is.EqualTo(0.75));
        Assert.That(root.GetProperty("greedy_turns").GetDouble(), Is.EqualTo(5));
    }

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
