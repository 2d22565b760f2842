namespace PdEngine.Tests;

[Category("Goldens")]
public sealed class SamplingFrequencyTests
{
    private const int DrawCount = 20_000;

    // A rollout draws by seed at one position, and by position under one seed; both must give the distribution.
    [Test]
    public void Drawn_tokens_follow_the_golden_distribution(
        [ValueSource(typeof(SamplerUnderTest), nameof(SamplerUnderTest.All))] string name, [Values] bool bySeed)
    {
        using SamplerUnderTest sampler = SamplerUnderTest.Create(name);
        IReadOnlyList<SamplingGolden> cases = SamplingGolden.Load();
        int tested = 0;
        for (int i = 0; i < cases.Count && tested < 6; i++)
        {
            if (cases[i].Joint.Count(p => p > 0) < 4)
                continue;
            tested++;
            double[] expected = i % 2 == 0 ? cases[i].Joint : cases[i].Sequential;
            int[] counts = Draw(sampler, cases[i], (TopPMode)(i % 2), bySeed);
            ExpectFrequencies(counts, expected, $"{cases[i]}, by {(bySeed ? "seed" : "position")}");
        }
        Assert.That(tested, Is.GreaterThan(0));
    }

    private static int[] Draw(SamplerUnderTest sampler, SamplingGolden golden, TopPMode mode, bool bySeed)
    {
        using Tensor logits = SampleRows.Logits(golden.Logits);
        SampleBatch samples = new();
        for (int n = 0; n < DrawCount; n++)
        {
            golden.AddTo(samples, row => row with
            {
                TopPMode = (int)mode, Seed = bySeed ? (ulong)n : 99, Position = bySeed ? 17 : n,
            });
        }
        sampler.Sample(logits, samples);
        int[] counts = new int[golden.Logits.Length];
        foreach (SampleResult result in samples.Results)
            counts[result.Token]++;
        return counts;
    }

    private static void ExpectFrequencies(int[] counts, double[] expected, string what)
    {
        double chiSquare = 0, restExpected = 0, restCount = 0;
        int cells = 0;
        for (int token = 0; token < counts.Length; token++)
        {
            if (expected[token] == 0)
                Assert.That(counts[token], Is.Zero, $"{what}: token {token} is not kept, yet was drawn");
            double mean = expected[token] * DrawCount;
            if (mean < 5)
            {
                restExpected += mean;
                restCount += counts[token];
                continue;
            }
            chiSquare += (counts[token] - mean) * (counts[token] - mean) / mean;
            cells++;
        }
        if (restExpected >= 5)
        {
            chiSquare += (restCount - restExpected) * (restCount - restExpected) / restExpected;
            cells++;
        }
        // Wilson and Hilferty's normal form: about a standard deviation from 0 each time.
        double freedom = cells - 1;
        double spread = 2 / (9 * freedom);
        double deviation = (Math.Cbrt(chiSquare / freedom) - (1 - spread)) / Math.Sqrt(spread);
        Assert.That(deviation, Is.LessThan(4), $"{what}: chi-square {chiSquare:F1} at {freedom} degrees");
    }
}
