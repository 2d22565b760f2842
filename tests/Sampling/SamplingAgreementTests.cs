namespace PdEngine.Tests;

public sealed class SamplingAgreementTests
{
    [Test]
    public void Native_rows_are_the_references_rows(
        [ValueSource(typeof(SamplerUnderTest), nameof(SamplerUnderTest.Native))] string name,
        [Values(1, 7, 16, 17, 4095, 4096, 4097, 30_001)] int vocabulary)
    {
        int rowCount = vocabulary > 10_000 ? 100 : 400;
        using SamplerUnderTest sampler = SamplerUnderTest.Create(name, threadCount: 2);
        Random random = new(vocabulary);
        using Tensor logits = SampleRows.Normal(random, rowCount, vocabulary, 0.01, 1, 3, 8);
        SampleBatch samples = new();
        for (int r = 0; r < rowCount; r++)
            samples.AddRandom(random, r, vocabulary);
        int differences = Compare(sampler, logits, samples, $"vocabulary {vocabulary}");
        Assert.That(differences, Is.LessThanOrEqualTo(rowCount / 1000), "a kept set cut elsewhere");
    }

    // Few distinct values: whole runs of ties at every cut.
    [TestCaseSource(typeof(SamplerUnderTest), nameof(SamplerUnderTest.Native))]
    public void Ties_are_cut_by_id_as_the_reference_does(string name)
    {
        const int vocabulary = 9000, rowCount = 200;
        using SamplerUnderTest sampler = SamplerUnderTest.Create(name);
        Random random = new(77);
        using Tensor logits = new(rowCount, vocabulary);
        SampleBatch samples = new();
        for (int r = 0; r < rowCount; r++)
        {
            int distinct = 1 + r % 5;
            foreach (ref float z in logits.Row(r))
                z = random.Next(distinct) - 2;
            // The two zeros are one value.
            logits.Row(r)[^1] = -0f;
            samples.AddRandom(random, r, vocabulary);
        }
        int differences = Compare(sampler, logits, samples, "ties");
        Assert.That(differences, Is.LessThanOrEqualTo(2), "a kept set cut elsewhere");
    }

    [TestCaseSource(typeof(SamplerUnderTest), nameof(SamplerUnderTest.Native))]
    public void Unfiltered_draws_are_exactly_the_references(string name)
    {
        const int vocabulary = 10_007, drawCount = 300;
        using SamplerUnderTest sampler = SamplerUnderTest.Create(name);
        using Tensor logits = SampleRows.Normal(new Random(8), 3, vocabulary, 0, 2, 10_000);
        SampleBatch samples = new();
        for (int i = 0; i < drawCount; i++)
            samples.Add(SampleRows.Plain(i * 3 / drawCount, (ulong)i << 30, i));
        Assert.That(Compare(sampler, logits, samples, "unfiltered"), Is.Zero);
    }

    // Returns how many rows differ because the kept sets end elsewhere; any other difference fails.
    internal static int Compare(SamplerUnderTest sampler, Tensor logits, SampleBatch samples, string what)
    {
        sampler.Sample(logits, samples);
        SampleResult[] results = samples.Results.ToArray();
        TopLogProb[] tops = samples.Tops.ToArray();
        ReferenceSampler.Sample(logits, 0, samples, 0, samples.RowCount);
        int differences = 0;
        for (int i = 0; i < samples.RowCount; i++)
        {
            SampleRow row = samples.Rows[i];
            SampleResult expected = samples.Results[i];
            bool same = Same(results[i].Token, results[i].LogProb, expected.Token, expected.LogProb);
            for (int t = row.FirstTop; t < row.FirstTop + row.TopCount; t++)
            {
                TopLogProb top = samples.Tops[t];
                same &= Same(tops[t].TokenId, tops[t].LogProb, top.TokenId, top.LogProb);
            }
            if (same)
                continue;
            Assert.That(
                EndsInNearTie(logits, samples, row), $"{what}, row {i}: native {results[i].Token} "
                + $"{results[i].LogProb}, reference {expected.Token} {expected.LogProb}; "
                + $"temperature {row.Temperature}, top-k {row.TopK}, top-p {row.TopP}, min-p {row.MinP}, "
                + $"top-p mode {row.TopPMode}, log-prob mode {row.LogProbMode}, target {row.Target}");
            differences++;
        }
        return differences;
    }

    private static bool Same(int token, float logProb, int expectedToken, float expectedLogProb) =>
        token == expectedToken && (logProb == expectedLogProb
            || Math.Abs(logProb - expectedLogProb) <= 1e-5 + 2e-7 * Math.Abs(expectedLogProb));

    // True where the mass at which top-p cuts is so near to the limit that float32 sums may cut elsewhere.
    private static bool EndsInNearTie(Tensor logits, SampleBatch samples, in SampleRow row)
    {
        if (row.TopP >= 1)
            return false;
        int kept = new ReferenceDistribution(logits.Row(row.LogitsRow), samples, row).KeptCount;
        SampleRow shy = row, wide = row;
        shy.TopP = row.TopP * (1 - 1e-5f);
        wide.TopP = Math.Min(1, row.TopP * (1 + 1e-5f));
        return new ReferenceDistribution(logits.Row(row.LogitsRow), samples, shy).KeptCount != kept
            || new ReferenceDistribution(logits.Row(row.LogitsRow), samples, wide).KeptCount != kept;
    }
}
