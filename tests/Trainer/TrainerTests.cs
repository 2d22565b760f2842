using PdEngine.Examples;

namespace PdEngine.Tests;

public sealed class TrainerTests
{
    private const int Seed = 41;

    // Three layers, groups of 2, head widths of one and two vectors, tied and untied.
    private static string ConfigJson(bool tied) => $$"""
        {"model_type": "llama", "vocab_size": 37, "hidden_size": 32, "intermediate_size": 48,
         "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
         "head_dim": {{(tied ? 32 : 16)}},
         "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "max_position_embeddings": 256,
         "tie_word_embeddings": {{(tied ? "true" : "false")}} }
        """;

    [Test]
    public void Gradients_are_those_of_finite_differences([Values] bool tied)
    {
        using ICheckpoint checkpoint = Model(tied);
        using TrainerRig rig = TrainerRig.Float32(checkpoint.Config);
        rig.Trainer.Read(checkpoint);
        List<TrainingSequence> batch = TrainerRig.Sequences(Seed, 3, 37, 40);
        rig.Trainer.Accumulate(batch, new CrossEntropyLoss());
        float[] gradients = rig.Trainer.Gradients.Values.ToArray();
        float[] start = rig.Trainer.Weights.Values.ToArray();
        Random random = new(Seed);
        foreach (ParameterSlot slot in rig.Trainer.Layout.Slots)
        {
            float[] direction = [.. Enumerable.Range(0, slot.Count).Select(_ => random.Next(2) * 2f - 1)];
            double expected = 0;
            for (int index = 0; index < slot.Count; index++)
                expected += (double)gradients[slot.Offset + index] * direction[index];
            const float step = 1e-3f;
            double slope = (LossAt(step) - LossAt(-step)) / (2 * step);
            float[] own = gradients[slot.Offset..(slot.Offset + slot.Count)];
            double bound = (0.02 * Math.Sqrt(own.Sum(value => (double)value * value))) + 1e-4;
            Assert.That(slope, Is.EqualTo(expected).Within(bound), $"{slot.Name}, seed {Seed}");

            double LossAt(float distance)
            {
                start.CopyTo(rig.Trainer.Weights.Values);
                for (int index = 0; index < slot.Count; index++)
                    rig.Trainer.Weights.Values[slot.Offset + index] += distance * direction[index];
                rig.Trainer.Push();
                rig.Trainer.Score(batch);
                return -Mean(batch);
            }
        }
    }

    [Test]
    public void Gradients_as_the_engine_computes_are_near_those_in_float32()
    {
        using ICheckpoint checkpoint = Model(tied: false);
        List<TrainingSequence> batch = TrainerRig.Sequences(Seed, 6, 37, 90);
        using TrainerRig exact = TrainerRig.Float32(checkpoint.Config);
        using TrainerRig rounded = TrainerRig.AsEngine(checkpoint.Config);
        exact.Trainer.Read(checkpoint);
        rounded.Trainer.Read(checkpoint);
        exact.Trainer.Accumulate(batch, new CrossEntropyLoss());
        rounded.Trainer.Accumulate(batch, new CrossEntropyLoss());
        double distance = TrainerRig.RelativeDistance(
            rounded.Trainer.Gradients.Values, exact.Trainer.Gradients.Values);
        Assert.That(distance, Is.LessThan(0.02));
    }

    [Test]
    public void Threads_and_company_change_no_log_prob_and_threads_no_gradient()
    {
        using ICheckpoint checkpoint = Model(tied: true);
        List<TrainingSequence> batch = TrainerRig.Sequences(Seed, 120, 37, 60);
        using TrainerRig two = TrainerRig.AsEngine(checkpoint.Config);
        using TrainerRig one = TrainerRig.AsEngine(checkpoint.Config, threads: 1);
        two.Trainer.Read(checkpoint);
        one.Trainer.Read(checkpoint);
        two.Trainer.Accumulate(batch, new CrossEntropyLoss());
        float[][] together = [.. batch.Select(sequence => sequence.LogProbs.ToArray())];
        one.Trainer.Accumulate(batch, new CrossEntropyLoss());
        TestTensors.AssertSameBits(one.Trainer.Gradients.Values, two.Trainer.Gradients.Values);
        for (int index = 0; index < batch.Count; index += 17)
        {
            one.Trainer.Score([batch[index]]);
            TestTensors.AssertSameBits(batch[index].LogProbs, together[index], $"{index}, seed {Seed}");
        }
    }

    [Test]
    public async Task Log_probs_are_bitwise_those_of_the_engine()
    {
        string folder = TestFiles.Scratch();
        RandomCheckpoint.Write(folder, ConfigJson(tied: true), Seed);
        using ICheckpoint checkpoint = Checkpoint.Open(folder);
        using TrainerRig rig = TrainerRig.AsEngine(checkpoint.Config);
        rig.Trainer.Read(checkpoint);
        List<TrainingSequence> batch = TrainerRig.Sequences(Seed, 5, 37, 100);
        rig.Trainer.Score(batch);
        await using Engine engine = await Engine.StartAsync(new EngineOptions
        {
            ModelPath = folder, ThreadCount = 2, MaxTotalTokens = 4096,
        });
        foreach (TrainingSequence sequence in batch)
        {
            Generation scored = await engine.GenerateAsync(new GenerateRequest
            {
                InputIds = sequence.Tokens, ReturnLogProb = true, LogProbStartLen = 0,
                Sampling = new SamplingParams { MaxNewTokens = 0 },
            });
            for (int position = 1; position < sequence.Tokens.Length; position++)
            {
                float? expected = scored.InputLogProbs[position].LogProb;
                if (sequence.IsResponse[position])
                    Assert.That(sequence.LogProbs[position], Is.EqualTo(expected));
            }
        }
    }

    [Test]
    public void A_few_steps_learn_a_batch_by_heart()
    {
        using ICheckpoint checkpoint = Model(tied: false);
        using TrainerRig rig = TrainerRig.AsEngine(checkpoint.Config);
        rig.Trainer.Read(checkpoint);
        List<TrainingSequence> batch = TrainerRig.Sequences(Seed, 4, 37, 12);
        double first = rig.Trainer.Accumulate(batch, new CrossEntropyLoss()).Loss;
        double last = first;
        for (int step = 0; step < 60; step++)
        {
            rig.Trainer.Step(5e-3);
            last = rig.Trainer.Accumulate(batch, new CrossEntropyLoss()).Loss;
        }
        Assert.That(last, Is.LessThan(0.1 * first));
    }

    [Test]
    public void Supervised_training_writes_the_same_bytes_again_on_any_number_of_threads()
    {
        byte[] first = Trained(threads: 2);
        Assert.That(Trained(threads: 2), Is.EqualTo(first));
        Assert.That(Trained(threads: 1), Is.EqualTo(first));

        static byte[] Trained(int threads)
        {
            string folder = TestFiles.Scratch();
            ModelFolder.WriteTiny(folder);
            ModelConfig config = HfConfig.Parse("config.json", ModelFolder.TinyConfig());
            using TrainerRig rig = TrainerRig.AsEngine(
                config, threads: threads, options: SupervisedRun.Optimiser);
            SupervisedRun.Initialise(rig.Trainer, Seed);
            SupervisedOptions options = new(Steps: 3, GamesPerStep: 8, SumsPerStep: 8, Seed: Seed);
            SupervisedRun.Train(rig.Trainer, options, TextWriter.Null, CancellationToken.None);
            ModelFolder.WriteWeights(folder, rig.Trainer);
            using ICheckpoint written = Checkpoint.Open(folder);
            Assert.That(rig.Trainer.Layout.Count, Is.LessThanOrEqualTo(1_000_000));
            return File.ReadAllBytes(Path.Combine(folder, HfFolder.SingleFile));
        }
    }

    [Test]
    public void A_model_that_it_cannot_train_is_refused()
    {
        ModelConfig config = HfConfig.Parse("config.json", System.Text.Encoding.UTF8.GetBytes(
            ConfigJson(tied: true).Replace("\"llama\"", "\"qwen3\"", StringComparison.Ordinal)));
        Assert.That(() => new ParameterLayout(config), Throws.InstanceOf<OptionsException>());
    }

    private static double Mean(List<TrainingSequence> batch)
    {
        (double sum, int count) = (0, 0);
        foreach (TrainingSequence sequence in batch)
        {
            for (int position = 1; position < sequence.Tokens.Length; position++)
            {
                if (!sequence.IsResponse[position])
                    continue;
                sum += sequence.LogProbs[position];
                count++;
            }
        }
        return sum / count;
    }

    private static ICheckpoint Model(bool tied)
    {
        string folder = TestFiles.Scratch($"trainer-{tied}");
        RandomCheckpoint.Write(folder, ConfigJson(tied), Seed);
        return Checkpoint.Open(folder);
    }
}
