using System.Runtime.InteropServices;

namespace PdEngine.Tests;

public sealed class SamplingDeterminismTests
{
    private const int Vocabulary = 20_011;
    private const int RowCount = 40;
    private const int Seed = 20260;

    [Test]
    public void Results_are_the_same_bits_at_any_thread_count(
        [ValueSource(typeof(SamplerUnderTest), nameof(SamplerUnderTest.Native))] string name,
        [Values(2, 3, 7)] int threadCount)
    {
        using Tensor logits = Logits();
        string[] expected = Bits(name, threadCount: 1, logits, Identity());
        Assert.That(Bits(name, threadCount, logits, Identity()), Is.EqualTo(expected), $"seed {Seed}");
    }

    [TestCaseSource(typeof(SamplerUnderTest), nameof(SamplerUnderTest.Native))]
    public void A_row_is_the_same_bits_in_any_company_and_order(string name)
    {
        using Tensor logits = Logits();
        string[] expected = Bits(name, threadCount: 2, logits, Identity());
        int[] order = Identity();
        new Random(Seed).Shuffle(order);
        string[] shuffled = Bits(name, threadCount: 2, logits, order);
        for (int i = 0; i < RowCount; i++)
        {
            Assert.That(shuffled[i], Is.EqualTo(expected[order[i]]), $"row {order[i]} shuffled, seed {Seed}");
            string[] alone = Bits(name, threadCount: 2, logits, [order[i]]);
            Assert.That(alone[0], Is.EqualTo(expected[order[i]]), $"row {order[i]} alone, seed {Seed}");
        }
    }

    [TestCaseSource(typeof(SamplerUnderTest), nameof(SamplerUnderTest.All))]
    public void Part_of_a_batch_can_be_sampled_from_part_of_the_logits(string name)
    {
        using SamplerUnderTest sampler = SamplerUnderTest.Create(name);
        Random random = new(Seed);
        using Tensor all = SampleRows.Normal(random, 3, 100, 2);
        using Tensor part = new(1, 100);
        all.Row(2).CopyTo(part.Row(0));
        SampleBatch samples = new();
        for (int r = 0; r < 3; r++)
            samples.Add(SampleRows.Plain(r, seed: 5) with { TopCount = 3, TopK = 50 });
        sampler.Sample(all, samples);
        SampleResult expected = samples.Results[2];
        TopLogProb[] tops = samples.Tops.ToArray();
        samples.Results[2] = default;
        samples.Tops[6..].Clear();
        sampler.Sample(part, firstLogitsRow: 2, samples, first: 2, count: 1);
        Assert.That(samples.Results[2], Is.EqualTo(expected));
        Assert.That(samples.Tops.ToArray(), Is.EqualTo(tops));
    }

    [TestCaseSource(typeof(SamplerUnderTest), nameof(SamplerUnderTest.Native))]
    public void Logits_are_left_as_they_were(string name)
    {
        using Tensor logits = Logits();
        byte[] before = MemoryMarshal.AsBytes(logits.Row(3)).ToArray();
        Bits(name, threadCount: 1, logits, Identity());
        Assert.That(MemoryMarshal.AsBytes(logits.Row(3)).ToArray(), Is.EqualTo(before));
    }

    private static Tensor Logits() => SampleRows.Normal(new Random(Seed), RowCount, Vocabulary, 0.2, 1, 4);

    private static int[] Identity() => [.. Enumerable.Range(0, RowCount)];

    // Row i of the batch is row order[i] of the logits, with the parameters that belong to that row.
    private static string[] Bits(string name, int threadCount, Tensor logits, int[] order)
    {
        using SamplerUnderTest sampler = SamplerUnderTest.Create(name, threadCount);
        using Tensor rows = new(order.Length, Vocabulary);
        SampleBatch samples = new();
        for (int i = 0; i < order.Length; i++)
        {
            logits.Row(order[i]).CopyTo(rows.Row(i));
            samples.AddRandom(new Random(Seed + order[i]), i, Vocabulary);
        }
        sampler.Sample(rows, samples);
        string[] bits = new string[order.Length];
        for (int i = 0; i < order.Length; i++)
        {
            SampleRow row = samples.Rows[i];
            Span<TopLogProb> tops = samples.Tops.Slice(row.FirstTop, row.TopCount);
            bits[i] = Convert.ToHexString(MemoryMarshal.AsBytes(samples.Results.Slice(i, 1)))
                + Convert.ToHexString(MemoryMarshal.AsBytes(tops));
        }
        return bits;
    }
}
