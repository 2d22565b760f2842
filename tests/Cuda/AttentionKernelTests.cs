using PdEngine.Interop;

namespace PdEngine.Tests;

/// <summary>
/// The attention kernels against attention's definition, and every way to run a row against every other.
/// </summary>
[Category("Cuda")]
public sealed class AttentionKernelTests
{
    private static readonly (int TileRows, SplitDeal Deal)[] Deals =
        [(16, SplitDeal.Each), (64, SplitDeal.Runs), (256, SplitDeal.Each), (256, SplitDeal.Whole)];

    private static readonly int[] BatchSizes = [1, 2, 16, 17, 64, 65, 257, 1024];
    private static readonly int[] Contexts = [63, 64, 65, 511, 512, 513, 4095, 4096, 4097];

    // Heads, KV heads, head dim, page size, window, KV heads of the store before and after.
    private static readonly int[][] Shapes =
    [
        [2, 2, 16, 16, 0, 0, 0], [4, 2, 32, 4, 0, 1, 0], [4, 1, 64, 64, 0, 0, 2], [8, 1, 128, 1, 0, 0, 0],
        [4, 2, 32, 16, 5, 0, 0], [6, 2, 16, 128, 100, 0, 1], [3, 3, 64, 256, 700, 0, 0],
    ];

    [Test]
    public void Attention_is_that_of_double_arithmetic(
        [ValueSource(nameof(Shapes))] int[] shape, [Values(16, 64, 256)] int tileRows,
        [ValueSource(typeof(KernelRig), nameof(KernelRig.Seeds))] ulong seed)
    {
        using KernelRig rig = new(seed);
        AttentionSetup setup = Setup(shape);
        AttentionSequence[] sequences = [new(setup, 1, 1100, 1.5f), new(setup, 2, 70, 1.5f)];
        AttentionKernelRun run = new(rig, setup, sequences);
        AttentionAsk[] asks =
            [new(0, 1060, 40), new(1, 0, 70), new(0, 512, 1), new(1, 64, 1), new(0, 0, 1)];
        foreach (SplitDeal deal in Enum.GetValues<SplitDeal>())
        {
            float[] actual = run.Attend(asks, tileRows, deal);
            int first = 0;
            foreach (AttentionAsk ask in asks)
            {
                for (int query = 0; query < ask.Count; query++, first += setup.QueryColumns)
                    CheckRow(
                        setup, sequences[ask.Sequence], ask.Start + query,
                        actual.AsSpan(first, setup.QueryColumns), $"{deal}, {tileRows} rows, seed {seed}");
            }
        }
    }

    [Test]
    public void Prefill_chunks_tiles_and_plans_give_a_row_the_same_bits()
    {
        using KernelRig rig = new();
        AttentionSetup setup = new(0, 4, 1, 32, 16);
        AttentionKernelRun run = new(rig, setup, new AttentionSequence(setup, 3, 4100));
        float[] whole = run.Attend([new(0, 0, 4100)], 64, SplitDeal.Whole);
        long compared = 0;
        foreach ((int tileRows, SplitDeal deal) in Deals)
        {
            // Chunks that begin at no tile's and at no split's first key.
            AttentionAsk[] chunks =
                [new(0, 0, 100), new(0, 100, 1), new(0, 101, 450), new(0, 551, 1024), new(0, 1575, 2525)];
            float[] actual = run.Attend(chunks, tileRows, deal);
            AttentionOracle.AssertSame(actual, whole, $"tiles of {tileRows}, {deal}");
            compared += actual.Length;
        }
        Assert.That(compared, Is.GreaterThan(1_000_000));
    }

    [Test]
    public void A_decoded_row_has_the_bits_of_prefill_in_any_batch(
        [Values(0, 300)] int window, [ValueSource(typeof(KernelRig), nameof(KernelRig.Seeds))] ulong seed)
    {
        using KernelRig rig = new(seed);
        AttentionSetup setup = new(0, 4, 2, 16, 64, window);
        AttentionKernelRun run = new(rig, setup, new AttentionSequence(setup, 4, 4100));
        float[] whole = run.Attend([new(0, 0, 4100)], 64, SplitDeal.Whole);
        int turn = 0;
        foreach (int rows in BatchSizes)
        {
            // First, middle and last are at contexts of interest; the others are short, padding among them.
            List<AttentionAsk> asks = [];
            for (int row = 0; row < rows; row++)
            {
                bool matters = row == 0 || row == rows / 2 || row == rows - 1;
                int context = matters ? Contexts[turn++ % Contexts.Length] : 1 + (row * 7 % 90);
                asks.Add(new(0, context - 1, matters || row % 5 > 0 ? 1 : 0));
            }
            float[] actual = run.Attend(asks, 16, (SplitDeal)(turn % 3));
            int first = 0;
            foreach (AttentionAsk ask in asks.Where(ask => ask.Count > 0))
            {
                AttentionOracle.AssertSame(
                    actual.AsSpan(first, setup.QueryColumns),
                    whole.AsSpan(ask.Start * setup.QueryColumns, setup.QueryColumns),
                    $"context {ask.Start + 1} in a batch of {rows}, window {window}, seed {seed}");
                first += setup.QueryColumns;
            }
        }
    }

    [Test]
    public void Page_size_and_heads_around_show_in_no_bit()
    {
        using KernelRig rig = new();
        float[]? first = null;
        foreach ((int page, int before) in new[] { (64, 0), (1, 1), (256, 2) })
        {
            AttentionSetup setup = new(0, 4, 2, 64, page) { HeadsBefore = before };
            AttentionKernelRun run = new(rig, setup, new AttentionSequence(setup, 5, 700));
            float[] actual = run.Attend([new(0, 600, 100)], 64, SplitDeal.Each);
            first ??= actual;
            AttentionOracle.AssertSame(actual, first, $"page {page}, {before} heads before");
        }
    }

    private static AttentionSetup Setup(int[] shape) =>
        new(0, shape[0], shape[1], shape[2], shape[3], shape[4])
        {
            HeadsBefore = shape[5], HeadsAfter = shape[6],
        };

    // Queries, weights and outputs are rounded to bf16, each by up to 2^-8; the rest is float32.
    private static void CheckRow(
        AttentionSetup setup, AttentionSequence sequence, int position, ReadOnlySpan<float> actual,
        string what)
    {
        int oldest = setup.Oldest(position), dims = setup.HeadDim;
        double[] weights = new double[position + 1 - oldest];
        for (int head = 0; head < setup.Heads; head++)
        {
            int column = head / setup.Group * dims;
            ReadOnlySpan<float> query =
                sequence.Queries.AsSpan((position * setup.QueryColumns) + (head * dims), dims);
            double largest = double.NegativeInfinity, sum = 0;
            for (int i = 0; i < weights.Length; i++)
            {
                double score = 0;
                for (int d = 0; d < dims; d++)
                {
                    float rounded = AttentionSequence.FromBFloat16(AttentionSequence.ToBFloat16(query[d]));
                    score += (double)rounded * sequence.Keys[((oldest + i) * setup.KvColumns) + column + d];
                }
                weights[i] = score / Math.Sqrt(dims);
                largest = Math.Max(largest, weights[i]);
            }
            for (int i = 0; i < weights.Length; i++)
                sum += weights[i] = Math.Exp(weights[i] - largest);
            for (int d = 0; d < dims; d++)
            {
                double expected = 0, size = 0;
                for (int i = 0; i < weights.Length; i++)
                {
                    double term = weights[i] / sum
                        * sequence.Values[((oldest + i) * setup.KvColumns) + column + d];
                    expected += term;
                    size += Math.Abs(term);
                }
                float value = actual[(head * dims) + d];
                if (!(Math.Abs(value - expected) <= (size / 128) + 1e-5))
                    Assert.Fail(
                        $"{what}, {setup}: position {position}, head {head}, {d} is {value}, not {expected}");
            }
        }
    }
}
