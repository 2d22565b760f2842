namespace PdEngine.Tests;

/// <summary>pd_cpu_attend against attention by its definition, on ragged batches.</summary>
public sealed class AttentionAccuracyTests
{
    private static readonly int[] Contexts = [1, 63, 64, 65, 511, 512, 513, 1500];

    [Test]
    public void A_ragged_batch_agrees_with_the_definition(
        [EachAttentionIsa] int isa,
        [Values(0, 1, 7, 64, 100)] int window)
    {
        AttentionIsa.Require(isa);
        CheckRaggedBatch(new(isa, 4, 2, 32, 64, window, Threads: 2), seed: 17 + window);
    }

    [Test]
    public void Every_head_width_and_group_agrees_with_the_definition(
        [EachAttentionIsa] int isa,
        [Values(2, 8, 16, 20, 32, 64, 80, 96, 128, 256)] int headDim,
        [Values(1, 2, 3, 4, 7, 8)] int group)
    {
        AttentionIsa.Require(isa);
        AttentionSetup setup = new(isa, 2 * group, 2, headDim, 64, Threads: 2);
        AttentionSequence[] sequences = [new(setup, 1, 600), new(setup, 2, 70), new(setup, 3, 130)];
        CheckAtEveryPageSize(
            setup, sequences,
            [new(0, 599, 1), new(1, 0, 70), new(2, 127, 3), new(0, 505, 16), new(0, 520, 40)], [16]);
    }

    [Test]
    public void More_query_heads_than_a_unit_has_rows_agree_with_the_definition(
        [EachAttentionIsa] int isa)
    {
        AttentionIsa.Require(isa);
        AttentionSetup setup = new(isa, 64, 1, 16, 64, Threads: 3);
        AttentionSequence sequence = new(setup, 9, 1100);
        using AttentionStore store = new(setup, sequence);
        float[][] results = store.Attend(new(0, 1099, 1), new(0, 1070, 30));
        AttentionOracle.Check(setup, sequence, 1099, 1, results[0], "decode");
        AttentionOracle.Check(setup, sequence, 1070, 30, results[1], "prefill");
    }

    [Test]
    public void Adversarial_scores_agree_with_the_definition(
        [EachAttentionIsa] int isa,
        [Values(16, 64)] int pageSize)
    {
        AttentionIsa.Require(isa);
        AttentionSetup setup = new(isa, 4, 2, 64, pageSize);
        AttentionSequence huge = new(setup, 1, 700, amplitude: 30);
        AttentionSequence equal = new(setup, 2, 700);
        AttentionSequence outlier = new(setup, 3, 700);
        AttentionSequence zero = new(setup, 4, 700, amplitude: 0);
        AttentionSequence rising = new(setup, 5, 700);
        for (int position = 0; position < 700; position++)
        {
            int at = position * setup.KvColumns;
            equal.Keys.AsSpan(0, setup.KvColumns).CopyTo(equal.Keys.AsSpan(at));
            rising.Keys.AsSpan(at, setup.KvColumns).Fill(position);
            rising.Queries.AsSpan(position * setup.QueryColumns, setup.QueryColumns).Fill(0.25f);
        }
        RoundKeys(rising);
        outlier.Keys.AsSpan(333 * setup.KvColumns, setup.KvColumns).Fill(4096);
        outlier.Values.AsSpan(10 * setup.KvColumns, setup.KvColumns).Fill(-1e6f);
        RoundKeys(outlier);
        AttentionSequence[] sequences = [huge, equal, outlier, zero, rising];
        using AttentionStore store = new(setup, sequences);
        for (int i = 0; i < sequences.Length; i++)
        {
            AttentionAsk[] asks = [new(i, 0, 200), new(i, 512, 1), new(i, 600, 100)];
            float[][] results = store.Attend(asks);
            for (int j = 0; j < asks.Length; j++)
                AttentionOracle.Check(
                    setup, sequences[i], asks[j].Start, asks[j].Count, results[j], $"sequence {i}");
        }
    }

    private static void RoundKeys(AttentionSequence sequence)
    {
        foreach (float[] values in new[] { sequence.Keys, sequence.Values })
        {
            for (int i = 0; i < values.Length; i++)
                values[i] = AttentionSequence.FromBFloat16(AttentionSequence.ToBFloat16(values[i]));
        }
    }

    private static void CheckRaggedBatch(AttentionSetup setup, int seed)
    {
        TestContext.Out.WriteLine($"seed {seed}");
        List<AttentionSequence> sequences = [];
        List<AttentionAsk> asks = [];
        foreach (int context in Contexts)
        {
            asks.Add(new(sequences.Count, context - 1, 1));
            sequences.Add(new(setup, seed + context, context));
        }
        asks.Insert(3, new(7, 480, 60));
        asks.Insert(5, new(4, 0, 100));
        asks.Add(new(7, 1400, 20));
        asks.Add(new(6, 500, 13));
        asks.Add(new(3, 1, 64));
        CheckAtEveryPageSize(setup, [.. sequences], [.. asks], [1, 2, 16, 32, 128, 256]);
    }

    /// <summary>Against the definition at the page size of the setup; at others, the same bits.</summary>
    private static void CheckAtEveryPageSize(
        AttentionSetup setup, AttentionSequence[] sequences, AttentionAsk[] asks, int[] otherPageSizes)
    {
        using AttentionStore store = new(setup, sequences);
        float[][] results = store.Attend(asks);
        for (int i = 0; i < asks.Length; i++)
            AttentionOracle.Check(
                setup, sequences[asks[i].Sequence], asks[i].Start, asks[i].Count, results[i], $"slice {i}");
        foreach (int pageSize in otherPageSizes)
        {
            using AttentionStore other = new(setup with { PageSize = pageSize }, sequences);
            float[][] same = other.Attend(asks);
            for (int i = 0; i < asks.Length; i++)
                AttentionOracle.AssertSame(same[i], results[i], $"page {pageSize}, slice {i}");
        }
    }
}
