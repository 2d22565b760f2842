namespace PdEngine.Tests;

public sealed class TransformerTests
{
    private const int VocabularySize = 77;

    [Test]
    public void Every_option_of_a_decoder_agrees_with_the_naive_model(
        [Values(1, 2, 3)] int seed, [Values] bool everything)
    {
        SyntheticCheckpoint checkpoint = new(everything ? TestConfigs.Everything : TestConfigs.Plain, seed);
        int[] prompt = TestPrompts.Random(new Random(seed), 23, VocabularySize);
        double[][] expected = new NaiveModel(checkpoint).Logits(prompt);
        using TestModel model = TestModel.Load("reference", checkpoint);
        using GoldenHarness harness = new(model.Backend, model.Weights) { KeepLogits = true };
        GoldenRun run = harness.Score(prompt);
        for (int position = 0; position < prompt.Length; position++)
            TestTensors.AssertNear(
                run.Logits[position], expected[position], 1e-4, $"seed {seed}, position {position}");
    }

    [TestCaseSource(typeof(TestBackends), nameof(TestBackends.Names))]
    public void A_sliding_window_forgets_what_lies_before_it(string backend)
    {
        ModelConfig config = TestConfigs.Plain with { LayerCount = 1, SlidingWindows = [4] };
        using TestModel model = TestModel.Load(backend, new SyntheticCheckpoint(config, 1));
        using GoldenHarness harness = new(model.Backend, model.Weights) { KeepLogits = true };
        int[] prompt = TestPrompts.Random(new Random(1), 12, VocabularySize);
        int[] other = [.. prompt];
        other[3] = (other[3] + 1) % VocabularySize;
        GoldenRun run = harness.Score(prompt);
        GoldenRun changed = harness.Score(other);
        Assert.That(changed.Logits[6], Is.Not.EqualTo(run.Logits[6]));
        TestTensors.AssertSameBits(changed.Logits[7], run.Logits[7], "four positions on");
    }
}
