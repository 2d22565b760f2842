namespace PdEngine.Tests;

/// <summary>
/// However a sequence's work is cut up, and whatever is computed beside it, its logits and log-probs keep
/// their bits. Other tests run the same check on golden models.
/// </summary>
public sealed class BatchInvarianceTests
{
    [Test]
    public void Cutting_the_work_another_way_changes_no_bit(
        [ValueSource(typeof(TestBackends), nameof(TestBackends.Names))] string backend,
        [Values("everything", "plain", "wide")] string shape)
    {
        ModelConfig config = shape switch
        {
            "everything" => TestConfigs.Everything,
            "plain" => TestConfigs.Plain,
            _ => TestConfigs.Config(8, 2, 64, 256, 512),
        };
        using TestModel model = TestModel.Load(backend, new SyntheticCheckpoint(config, 5));
        AssertInvariant(model, TestPrompts.Random(new Random(5), 200, config.VocabularySize));
    }

    /// <summary>
    /// Fails unless a prompt comes to the same bits whole, cut up, batched, cached, on any page size.
    /// </summary>
    internal static void AssertInvariant(TestModel model, int[] prompt)
    {
        GoldenRun? whole = null;
        foreach (int pageSize in new[] { 16, 1, 64 })
        {
            using GoldenHarness harness = new(model.Backend, model.Weights, pageSize) { KeepLogits = true };
            GoldenRun run = harness.Score(prompt);
            whole ??= run;
            AssertSame(run, whole, $"pages of {pageSize}");
            foreach (int chunk in new[] { 1, 7, 64 })
                AssertSame(harness.Score(prompt, chunk), whole, $"pages of {pageSize}, chunks of {chunk}");
            AssertBatched(harness, prompt, whole, pageSize);
            foreach (int cachedBlocks in new[] { 1, (prompt.Length - 1) / pageSize })
            {
                if (cachedBlocks * pageSize < prompt.Length && cachedBlocks > 0)
                    AssertSame(
                        harness.ScoreOnCachedBlocks(prompt, cachedBlocks), whole,
                        $"pages of {pageSize}, {cachedBlocks} cached");
            }
        }
    }

    private static void AssertBatched(GoldenHarness harness, int[] prompt, GoldenRun whole, int seed)
    {
        Random random = new(seed);
        int vocabularySize = whole.Logits[0].Length;
        int[][] prompts =
        [
            TestPrompts.Random(random, 40, vocabularySize), prompt,
            TestPrompts.Random(random, 3, vocabularySize), [.. prompt.Reverse()],
        ];
        string what = $"seed {seed}, batched";
        AssertSame(harness.Score(prompts, _ => int.MaxValue)[1], whole, $"{what} whole");
        AssertSame(harness.Score(prompts, _ => 1)[1], whole, $"{what} decode");
        AssertSame(harness.Score(prompts, _ => random.Next(0, 30))[1], whole, $"{what} ragged");
        AssertSame(harness.Score(prompts, i => i == 1 ? 1 : 11)[1], whole, $"{what} decode beside prefill");
    }

    private static void AssertSame(GoldenRun run, GoldenRun whole, string what)
    {
        int first = Math.Max(run.First + 1, 1);
        TestTensors.AssertSameBits(
            run.LogProbs.AsSpan(first), whole.LogProbs.AsSpan(first), $"{what}: log-probs");
        for (int position = run.First; position < whole.Logits.Length; position++)
            TestTensors.AssertSameBits(
                run.Logits[position], whole.Logits[position], $"{what}: logits at {position}");
    }
}
