namespace PdEngine.Tests;

/// <summary>The sampling kernel against the reference sampler.</summary>
[Category("Cuda")]
public sealed class SampleKernelTests
{
    [Test]
    public void Rows_are_the_references_rows([Values(1, 7, 272, 2049, 30_001)] int vocabulary)
    {
        int rowCount = vocabulary > 10_000 ? 24 : 100;
        using SamplerUnderTest sampler = SamplerUnderTest.Create(SamplerUnderTest.Cuda);
        Random random = new(vocabulary);
        using Tensor logits = SampleRows.Normal(random, rowCount, vocabulary, 0.01, 1, 3, 8);
        SampleBatch samples = new();
        for (int row = 0; row < rowCount; row++)
            samples.AddRandom(random, row, vocabulary);
        int differences =
            SamplingAgreementTests.Compare(sampler, logits, samples, $"vocabulary {vocabulary}");
        Assert.That(differences, Is.LessThanOrEqualTo(1), "a kept set cut elsewhere");
    }

    // Few distinct values: whole runs of ties at every cut.
    [Test]
    public void Ties_are_cut_by_id()
    {
        const int vocabulary = 1500, rowCount = 60;
        using SamplerUnderTest sampler = SamplerUnderTest.Create(SamplerUnderTest.Cuda);
        Random random = new(77);
        using Tensor logits = new(rowCount, vocabulary);
        SampleBatch samples = new();
        for (int row = 0; row < rowCount; row++)
        {
            int distinct = 1 + (row % 5);
            foreach (ref float z in logits.Row(row))
                z = random.Next(distinct) - 2;
            logits.Row(row)[^1] = -0f;
            samples.AddRandom(random, row, vocabulary);
        }
        int differences = SamplingAgreementTests.Compare(sampler, logits, samples, "ties");
        Assert.That(differences, Is.LessThanOrEqualTo(1), "a kept set cut elsewhere");
    }

    [Test]
    public void Unfiltered_draws_are_exactly_the_references()
    {
        using SamplerUnderTest sampler = SamplerUnderTest.Create(SamplerUnderTest.Cuda);
        using Tensor logits = SampleRows.Normal(new Random(8), 3, 1009, 0, 2, 10_000);
        SampleBatch samples = new();
        for (int i = 0; i < 120; i++)
            samples.Add(SampleRows.Plain(i * 3 / 120, (ulong)i << 30, i));
        Assert.That(SamplingAgreementTests.Compare(sampler, logits, samples, "unfiltered"), Is.Zero);
    }

    [Test]
    public void Neither_schedule_nor_the_other_rows_nor_the_grid_show_in_a_result()
    {
        const int vocabulary = 700, rowCount = 20;
        Random random = new(4);
        using Tensor logits = SampleRows.Normal(random, rowCount, vocabulary, 1, 3);
        SampleBatch samples = new();
        for (int row = 0; row < rowCount; row++)
            samples.AddRandom(random, row, vocabulary);
        SampleResult[]? expected = null;
        foreach (ulong seed in KernelRig.Seeds)
        {
            using CudaSampler sampler = new(seed) { MostBlocks = 1 + (int)seed };
            sampler.Sample(logits, 0, samples, 0, rowCount);
            expected ??= samples.Results.ToArray();
            Assert.That(samples.Results.ToArray(), Is.EqualTo(expected), $"seed {seed}");
            sampler.Sample(logits, 0, samples, 7, 1);
            Assert.That(samples.Results[7], Is.EqualTo(expected[7]), $"row 7 alone, seed {seed}");
        }
    }

    [Test]
    public void Broken_logits_and_foreign_ids_are_faults_of_their_rows_alone()
    {
        using CudaSampler sampler = new();
        using Tensor logits = SampleRows.Normal(new Random(1), 5, 40, 1);
        logits.Row(1)[3] = float.NaN;
        logits.Row(2)[39] = float.PositiveInfinity;
        logits.Row(3).Fill(float.NegativeInfinity);
        SampleBatch samples = new();
        for (int row = 0; row < 5; row++)
            samples.Add(SampleRows.Plain(row), [], [], [], row == 4 ? [40] : []);
        Assert.That(sampler.Run(logits, 0, samples, 0, 5), Is.EqualTo(new[] { 0, 1, 1, 2, 3 }));
        Assert.That(samples.Results[0].Token, Is.InRange(0, 39));
        Assert.That(samples.Results[1].Token, Is.EqualTo(-1));
    }

    [Test]
    public void History_may_name_draws_that_the_host_has_not_seen()
    {
        SampleResult[] previous = [new() { Token = 9 }, new() { Token = 4 }];
        using CudaSampler sampler = new() { Previous = previous };
        using Tensor logits = SampleRows.Normal(new Random(6), 1, 50, 1);
        SampleRow row = SampleRows.Score(0, 4) with
        {
            RepetitionPenalty = 1.5f, FrequencyPenalty = 0.5f, PresencePenalty = 0.25f, PromptCount = 1,
        };
        SampleBatch named = new(), known = new();
        named.Add(row, [-1, 7, -2, 4], [], [], []);
        known.Add(row, [9, 7, 4, 4], [], [], []);
        sampler.Sample(logits, 0, named, 0, 1);
        sampler.Sample(logits, 0, known, 0, 1);
        Assert.That(named.Results[0], Is.EqualTo(known.Results[0]));
        ReferenceSampler.Sample(logits, 0, known, 0, 1);
        Assert.That(named.Results[0].LogProb, Is.EqualTo(known.Results[0].LogProb).Within(1e-5));
    }
}
