namespace PdEngine.Tests;

/// <summary>A query's result has the same bits however it is computed.</summary>
public sealed class AttentionEqualityTests
{
    private const int Length = 1100;

    [Test]
    public void Chunks_equal_the_whole_prefill(
        [EachAttentionIsa] int isa,
        [Values(1, 7, 64)] int chunkTokens,
        [Values(0, 1, 7, 100, 600)] int window,
        [Values(32, 20)] int headDim)
    {
        AttentionIsa.Require(isa);
        AttentionSetup setup = new(isa, 6, 2, headDim, 64, window);
        AttentionSequence sequence = new(setup, 11, Length);
        float[] whole = Whole(setup, sequence);
        using AttentionStore store = new(setup, sequence);
        for (int start = 0; start < Length; start += chunkTokens)
        {
            int count = Math.Min(chunkTokens, Length - start);
            float[] chunk = store.Attend(new AttentionAsk(0, start, count))[0];
            ReadOnlySpan<float> expected = whole.AsSpan(start * setup.QueryColumns, chunk.Length);
            AttentionOracle.AssertSame(chunk, expected, $"chunk at {start}");
        }
    }

    [Test]
    public void Page_sizes_and_threads_change_no_bit(
        [EachAttentionIsa] int isa,
        [Values(1, 2, 16, 32, 64, 128, 256)] int pageSize,
        [Values(1, 2, 5)] int threads,
        [Values(0, 100)] int window)
    {
        AttentionIsa.Require(isa);
        AttentionSetup setup = new(isa, 4, 2, 48, 64, window);
        AttentionSequence sequence = new(setup, 12, Length);
        float[] whole = Whole(setup, sequence);
        using AttentionStore store = new(setup with { PageSize = pageSize, Threads = threads }, sequence);
        AttentionAsk[] asks = [new(0, 0, Length), new(0, 1023, 1), new(0, 1024, 5), new(0, 449, 130)];
        float[][] results = store.Attend(asks);
        for (int i = 0; i < asks.Length; i++)
        {
            int first = asks[i].Start * setup.QueryColumns;
            AttentionOracle.AssertSame(results[i], whole.AsSpan(first, results[i].Length), $"slice {i}");
        }
    }

    [Test]
    public void A_range_of_a_store_s_heads_gives_the_bits_of_a_store_of_them_alone(
        [EachAttentionIsa] int isa,
        [Values(16, 64, 128)] int pageSize,
        [Values("0,3", "3,0", "1,2")] string others,
        [Values(0, 100)] int window)
    {
        AttentionIsa.Require(isa);
        int[] counts = [.. others.Split(',').Select(int.Parse)];
        AttentionSetup setup = new(isa, 4, 2, 48, pageSize, window);
        AttentionSequence sequence = new(setup, 12, Length);
        float[] whole = Whole(setup, sequence);
        AttentionSetup range = setup with { HeadsBefore = counts[0], HeadsAfter = counts[1] };
        using AttentionStore store = new(range, sequence);
        AttentionAsk[] asks = [new(0, 0, Length), new(0, 1023, 1), new(0, 449, 130)];
        float[][] results = store.Attend(asks);
        for (int i = 0; i < asks.Length; i++)
        {
            int first = asks[i].Start * setup.QueryColumns;
            AttentionOracle.AssertSame(results[i], whole.AsSpan(first, results[i].Length), $"slice {i}");
        }
    }

    [Test]
    public void Other_company_changes_no_bit(
        [EachAttentionIsa] int isa,
        [Values(16, 64)] int pageSize)
    {
        AttentionIsa.Require(isa);
        AttentionSetup setup = new(isa, 7, 1, 64, pageSize, Threads: 2);
        Random random = new(13);
        AttentionSequence[] sequences = new AttentionSequence[6];
        for (int i = 0; i < sequences.Length; i++)
            sequences[i] = new(setup, 100 + i, random.Next(1, 900));
        using AttentionStore store = new(setup, sequences);
        for (int round = 0; round < 20; round++)
        {
            AttentionAsk[] asks = new AttentionAsk[random.Next(1, 9)];
            for (int i = 0; i < asks.Length; i++)
            {
                int sequence = random.Next(sequences.Length), start = random.Next(sequences[sequence].Length);
                int most = sequences[sequence].Length - start;
                asks[i] = new(sequence, start, random.Next(2) == 0 ? 1 : random.Next(1, most + 1));
            }
            float[][] together = store.Attend(asks);
            for (int i = 0; i < asks.Length; i++)
            {
                using AttentionStore alone = new(setup, sequences);
                float[] single = alone.Attend(asks[i])[0];
                AttentionOracle.AssertSame(single, together[i], $"seed 13, round {round}, {asks[i]}");
            }
        }
    }

    // A unit goes over 4096 keys; the rows of a long prompt come back for the next ones.
    [Test]
    public void Passes_over_a_long_context_equal_single_queries(
        [EachAttentionIsa] int isa,
        [Values(0, 4300)] int window, [Values(16, 64)] int pageSize)
    {
        AttentionIsa.Require(isa);
        AttentionSetup setup = new(isa, 8, 4, 16, pageSize, window);
        AttentionSequence sequence = new(setup, 16, 9000);
        using AttentionStore store = new(setup, sequence);
        float[][] results = store.Attend(new(0, 7800, 1200), new(0, 20, 40), new(0, 3900, 500));
        foreach (int position in new[] { 7800, 8190, 8191, 8192, 8193, 8703, 8704, 8999 })
        {
            float[] alone = store.Attend(new AttentionAsk(0, position, 1))[0];
            Range row = ((position - 7800) * setup.QueryColumns)..((position - 7799) * setup.QueryColumns);
            AttentionOracle.AssertSame(alone, results[0].AsSpan(row), $"position {position}");
        }
        AttentionOracle.Check(setup, sequence, 8999, 1, results[0][^setup.QueryColumns..], "the last");
        for (int position = 3900; position < 4400; position += 37)
        {
            float[] alone = store.Attend(new AttentionAsk(0, position, 1))[0];
            Range row = ((position - 3900) * setup.QueryColumns)..((position - 3899) * setup.QueryColumns);
            AttentionOracle.AssertSame(alone, results[2].AsSpan(row), $"position {position}");
        }
    }

    // Decode units take more heads at once where there are more of them.
    [Test]
    public void Many_sequences_at_once_equal_each_alone(
        [EachAttentionIsa] int isa,
        [Values("8,8", "16,8", "9,3", "12,2", "5,5")] string heads, [Values(16, 64)] int pageSize)
    {
        AttentionIsa.Require(isa);
        int[] counts = [.. heads.Split(',').Select(int.Parse)];
        AttentionSetup setup = new(isa, counts[0], counts[1], 32, pageSize, Threads: 2);
        AttentionSequence[] sequences = new AttentionSequence[24];
        for (int i = 0; i < sequences.Length; i++)
            sequences[i] = new(setup, 200 + i, 1 + (i * 61));
        using AttentionStore store = new(setup, sequences);
        AttentionAsk[] asks = [.. sequences.Select((s, i) => new AttentionAsk(i, s.Length - 1, 1))];
        float[][] together = store.Attend(asks);
        for (int i = 0; i < asks.Length; i++)
        {
            AttentionOracle.AssertSame(store.Attend(asks[i])[0], together[i], $"sequence {i}");
            AttentionOracle.Check(setup, sequences[i], asks[i].Start, 1, together[i], $"sequence {i}");
        }
    }

    // Only the kernels' registers differ: both sets are sixteen lanes with the same order of sums.
    [Test]
    public void Avx2_and_avx512_give_the_same_bits(
        [Values(64, 80, 128)] int headDim, [Values(0, 100)] int window)
    {
        AttentionIsa.Require(AttentionIsa.Avx512);
        AttentionSetup wide = new(AttentionIsa.Avx512, 4, 2, headDim, 64, window);
        AttentionSetup narrow = wide with { Isa = AttentionIsa.Avx2 };
        AttentionSequence sequence = new(wide, 14, Length, amplitude: 2);
        AttentionOracle.AssertSame(Whole(narrow, sequence), Whole(wide, sequence), "whole prefill");
    }

    [Test]
    public void Emulated_tiles_and_real_ones_give_the_same_bits(
        [Values(20, 64, 80, 128)] int headDim, [Values(0, 100)] int window, [Values(16, 64)] int pageSize)
    {
        AttentionIsa.Require(AttentionIsa.Amx);
        AttentionSetup real = new(AttentionIsa.Amx, 6, 2, headDim, pageSize, window);
        AttentionSequence sequence = new(real, 14, Length, amplitude: 2);
        AttentionSetup emulated = real with { Isa = AttentionIsa.AmxEmulated };
        AttentionOracle.AssertSame(Whole(emulated, sequence), Whole(real, sequence), "whole prefill");
    }

    [Test]
    public void Infinite_values_a_query_does_not_see_change_no_bit(
        [EachAttentionIsa] int isa,
        [Values(16, 64)] int pageSize)
    {
        AttentionIsa.Require(isa);
        AttentionSetup setup = new(isa, 4, 2, 32, pageSize, Window: 50);
        AttentionSequence clean = new(setup, 15, 300), spoiled = new(setup, 15, 300);
        foreach (int position in new[] { 40, 100, 101, 250 })
        {
            spoiled.Keys.AsSpan(position * setup.KvColumns, setup.KvColumns).Fill(float.PositiveInfinity);
            spoiled.Values.AsSpan(position * setup.KvColumns, setup.KvColumns).Fill(float.NegativeInfinity);
        }
        float[] expected = Whole(setup, clean), actual = Whole(setup, spoiled);
        int compared = 0;
        for (int position = 0; position < 300; position++)
        {
            int oldest = setup.Oldest(position);
            if (new[] { 40, 100, 101, 250 }.Any(bad => bad >= oldest && bad <= position))
                continue;
            Range row = (position * setup.QueryColumns)..((position + 1) * setup.QueryColumns);
            AttentionOracle.AssertSame(actual.AsSpan(row), expected.AsSpan(row), $"position {position}");
            compared++;
        }
        Assert.That(compared, Is.GreaterThan(50));
    }

    private static float[] Whole(AttentionSetup setup, AttentionSequence sequence)
    {
        using AttentionStore store = new(setup, sequence);
        return store.Attend(new AttentionAsk(0, 0, sequence.Length))[0];
    }
}
