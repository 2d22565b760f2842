namespace PdEngine.Tests;

[Category("Goldens")]
public sealed class SamplingGoldenTests
{
    [Test]
    public void The_reference_keeps_the_golden_distributions()
    {
        foreach (SamplingGolden golden in SamplingGolden.Load())
        {
            foreach (TopPMode mode in Enum.GetValues<TopPMode>())
            {
                SampleBatch samples = new();
                golden.AddTo(samples, row => row with { TopPMode = (int)mode });
                double[] distribution = ReferenceSampler.Distribution(golden.Logits, samples, samples.Rows[0]);
                double[] expected = mode == TopPMode.Joint ? golden.Joint : golden.Sequential;
                Assert.That(distribution, Is.EqualTo(expected).Within(1e-5), $"{golden}, {mode}");
            }
        }
    }

    [TestCaseSource(typeof(SamplerUnderTest), nameof(SamplerUnderTest.All))]
    public void Scores_of_every_token_are_golden_under_every_mode(string name)
    {
        using SamplerUnderTest sampler = SamplerUnderTest.Create(name, threadCount: 2);
        foreach (SamplingGolden golden in SamplingGolden.Load())
        {
            using Tensor logits = SampleRows.Logits(golden.Logits);
            Expect(sampler, golden, logits, LogProbMode.Tempered, TopPMode.Joint, golden.Tempered);
            Expect(sampler, golden, logits, LogProbMode.Raw, TopPMode.Joint, golden.Raw);
            Expect(sampler, golden, logits, LogProbMode.Processed, TopPMode.Joint, golden.Joint);
            Expect(sampler, golden, logits, LogProbMode.Processed, TopPMode.Sequential, golden.Sequential);
        }
    }

    [TestCaseSource(typeof(SamplerUnderTest), nameof(SamplerUnderTest.All))]
    public void Greedy_draws_are_golden(string name)
    {
        using SamplerUnderTest sampler = SamplerUnderTest.Create(name);
        foreach (SamplingGolden golden in SamplingGolden.Load())
        {
            using Tensor logits = SampleRows.Logits(golden.Logits);
            SampleBatch samples = new();
            golden.AddTo(samples, row => row with { Temperature = 0 });
            sampler.Sample(logits, samples);
            Assert.That(samples.Results[0].Token, Is.EqualTo(golden.ArgMax), $"{golden}");
        }
    }

    [TestCaseSource(typeof(SamplerUnderTest), nameof(SamplerUnderTest.Native))]
    public void Draws_of_golden_rows_are_the_references(string name)
    {
        using SamplerUnderTest sampler = SamplerUnderTest.Create(name, threadCount: 2);
        foreach (SamplingGolden golden in SamplingGolden.Load())
        {
            using Tensor logits = SampleRows.Logits(golden.Logits);
            SampleBatch samples = new();
            for (int i = 0; i < 40; i++)
                golden.AddTo(samples, row => row with { TopPMode = i % 2, Position = i });
            sampler.Sample(logits, samples);
            int[] tokens = Tokens(samples);
            ReferenceSampler.Sample(logits, 0, samples, 0, samples.RowCount);
            Assert.That(tokens, Is.EqualTo(Tokens(samples)), $"{golden}");
        }
    }

    private static void Expect(
        SamplerUnderTest sampler, SamplingGolden golden, Tensor logits, LogProbMode logProbMode, TopPMode topPMode,
        double[] expected)
    {
        SampleBatch samples = new();
        for (int token = 0; token < golden.Logits.Length; token++)
        {
            golden.AddTo(samples, row => row with
            {
                Target = token, LogProbMode = (int)logProbMode, TopPMode = (int)topPMode,
            });
        }
        sampler.Sample(logits, samples);
        for (int token = 0; token < expected.Length; token++)
        {
            SampleResult result = samples.Results[token];
            // A float32 has no more of the digits of a log-prob far below zero.
            (double actual, double within) = logProbMode == LogProbMode.Processed
                ? (Math.Exp(result.LogProb), 1e-5)
                : (result.LogProb, 1e-5 + 2e-7 * Math.Abs(expected[token]));
            Assert.That(result.Token, Is.EqualTo(token));
            Assert.That(
                actual, Is.EqualTo(expected[token]).Within(within),
                $"{golden}, token {token}, {logProbMode}, {topPMode}");
        }
    }

    private static int[] Tokens(SampleBatch samples) =>
        [.. samples.Results.ToArray().Select(result => result.Token)];
}
