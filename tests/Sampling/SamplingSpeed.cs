using System.Diagnostics;

namespace PdEngine.Tests;

[Explicit("prints microseconds a row; asserts nothing about them")]
public sealed class SamplingSpeed
{
    private const int Vocabulary = 151_936;
    private const int RowCount = 16;
    private const int Repeats = 9;

    [Test]
    public void Microseconds_a_row(
        [ValueSource(typeof(SamplerUnderTest), nameof(SamplerUnderTest.Native))] string name,
        [Values(1, 2)] int threadCount)
    {
        using SamplerUnderTest sampler = SamplerUnderTest.Create(name, threadCount);
        SampleRow plain = SampleRows.Plain(0);
        (string Name, SampleRow Row)[] kinds =
        [
            ("greedy", SampleRows.Greedy(0)), ("score", SampleRows.Score(0, 5)), ("plain", plain),
            ("plain t0.7", plain with { Temperature = 0.7f }), ("top_k 50", plain with { TopK = 50 }),
            ("top_k 5000", plain with { TopK = 5000 }), ("top_p 0.9", plain with { TopP = 0.9f }),
            ("top_p 0.9 k 50 seq", plain with { TopP = 0.9f, TopK = 50, TopPMode = 1 }),
            ("min_p 0.05", plain with { MinP = 0.05f }),
            ("raw, 20 tops", plain with { TopCount = 20, LogProbMode = 1, Temperature = 0.7f }),
        ];
        foreach (double scale in (double[])[0, 1, 3, 10])
        {
            using Tensor logits = SampleRows.Normal(new Random(3), RowCount, Vocabulary, scale);
            foreach ((string kind, SampleRow row) in kinds)
                TestContext.Out.WriteLine($"{name} x{threadCount}, spread {scale,2}, {kind,-18}: "
                    + $"{MedianUs(sampler, logits, row, RowCount),7:F0} us/row of {RowCount}, "
                    + $"{MedianUs(sampler, logits, row, 1),7:F0} us alone");
        }
    }

    private static double MedianUs(SamplerUnderTest sampler, Tensor logits, SampleRow row, int rowCount)
    {
        SampleBatch samples = new();
        for (int r = 0; r < rowCount; r++)
            samples.Add(row with { LogitsRow = r, Position = r });
        double[] us = new double[Repeats];
        sampler.Sample(logits, samples);
        for (int i = 0; i < Repeats; i++)
        {
            long start = Stopwatch.GetTimestamp();
            sampler.Sample(logits, samples);
            us[i] = Stopwatch.GetElapsedTime(start).TotalMicroseconds / rowCount;
        }
        Array.Sort(us);
        return us[Repeats / 2];
    }
}
