using System.Text.Json;

namespace PdEngine.Tests;

/// <summary>A model cut among ranks gives the logits of the whole one, bit for bit.</summary>
public sealed class TensorParallelTests
{
    private const int DecodeCount = 6;

    private static readonly int[] Sizes = [1, 2, 4];

    /// <summary>Shapes that can be cut by 4, but for the last; some have fewer KV heads than that.</summary>
    internal static readonly Dictionary<string, ModelConfig> Shapes = new()
    {
        ["every option"] = TestConfigs.Config(8, 4, 20, 36, 104) with
        {
            QkvBias = true, OutputBias = true, MlpBias = true, QkNorm = true, SlidingWindows = [0, 9, 0],
            TieWordEmbeddings = false,
        },
        ["one KV head"] = TestConfigs.Plain,
        ["two KV heads"] = TestConfigs.Config(8, 2, 16, 64, 64) with { QkvBias = true, VocabularySize = 300 },
        ["a KV head each"] = TestConfigs.Config(4, 4, 32, 256, 200) with { MlpBias = true },
        ["two ranks at most"] = TestConfigs.Config(8, 8, 8, 40, 180) with { OutputBias = true },
    };

    [Test]
    public void Every_size_gives_the_bits_of_one_rank(
        [ValueSource(typeof(TestBackends), nameof(TestBackends.Names))] string backend,
        [Values("every option", "one KV head", "two KV heads", "a KV head each", "two ranks at most")]
        string shape,
        [Values] KvDomainKind domain)
    {
        SyntheticCheckpoint checkpoint = new(Shapes[shape], 11);
        AssertSizesAgree(backend, checkpoint, domain, [64, 16, 1]);
    }

    [Test]
    [Category("Goldens")]
    public void Golden_models_agree_at_every_size(
        [ValueSource(typeof(TestBackends), nameof(TestBackends.Names))] string backend,
        [Values] KvDomainKind domain)
    {
        int compared = 0;
        foreach (string folder in Directory.GetDirectories(TestFiles.Golden("models")).Order())
        {
            if (!TinyGoldens.IsDense(folder))
                continue;
            using ICheckpoint checkpoint = Checkpoint.Open(folder);
            AssertSizesAgree(backend, checkpoint, domain, [16]);
            compared++;
        }
        Assert.That(compared, Is.GreaterThan(0));
    }

    [Test]
    public void A_shard_counts_what_it_reads([Values(1, 2, 4)] int size, [Values] bool sharesTables)
    {
        ModelConfig config = Shapes["every option"];
        SyntheticCheckpoint checkpoint = new(config, 3);
        using ReferenceBackend backend = new(1);
        using ModelWeights whole = ModelWeights.Load(checkpoint, backend);
        for (int rank = 0; rank < size; rank++)
        {
            WeightShard shard = new(rank, size);
            LastReport report = new();
            using ModelWeights weights = ModelWeights.Load(
                checkpoint, backend, report, shard, sharesTables ? whole : null);
            Assert.That(report.Bytes, Is.EqualTo(ModelWeights.LoadBytes(config, shard, sharesTables)));
            Assert.That(ReferenceEquals(weights.Embedding, whole.Embedding), Is.EqualTo(sharesTables));
        }
    }

    [TestCase(9, 3, 1536, 2, "1")]
    [TestCase(9, 3, 1536, 4, "1")]
    [TestCase(6, 6, 48, 4, "1, 2")]
    [TestCase(8, 8, 52, 4, "1, 2")]
    [TestCase(8, 8, 51, 2, "1")]
    [TestCase(12, 3, 48, 2, "1")]
    [TestCase(12, 6, 48, 4, "1, 2")]
    [TestCase(12, 3, 48, 3, "1")]
    [TestCase(8, 8, 64, 8, "1, 2, 4")]
    [TestCase(8, 8, 64, 0, "1, 2, 4")]
    public void A_size_that_does_not_divide_the_model_is_refused_with_the_numbers(
        int heads, int kvHeads, int inner, int size, string possible)
    {
        ModelConfig config = TestConfigs.Config(heads, kvHeads, 16, 32, inner);
        OptionsException refusal =
            Assert.Throws<OptionsException>(() => TensorParallel.ThrowIfImpossible(config, size))!;
        Assert.That(refusal.Option, Is.EqualTo("tp_size"));
        Assert.That(refusal.Message, Does.Contain($"{size} ranks").And.EndsWith($"runs at {possible}"));
        if (size is 2 or 4)
            Assert.That(
                refusal.Message, Does.Contain($"{heads} query").And.Contain($"{kvHeads} key").And
                    .Contain($"{inner}"));
        SyntheticCheckpoint checkpoint = new(config, 1);
        using ReferenceBackend backend = new(1);
        Assert.Throws<OptionsException>(
            () => ModelWeights.Load(checkpoint, backend, null, new WeightShard(0, size)));
    }

    internal static void AssertSizesAgree(
        string backend, ICheckpoint checkpoint, KvDomainKind domain, int[] pageSizes,
        Quantization quantization = Quantization.None)
    {
        float[][]? expected = null;
        int[] sizes = [.. Sizes.Where(size => TensorParallel.IsPossible(checkpoint.Config, size))];
        Assert.That(sizes, Has.Length.GreaterThan(1));
        foreach (int size in sizes)
        {
            using ShardedModel model = ShardedModel.Load(backend, checkpoint, size, quantization);
            foreach (int pageSize in pageSizes)
            {
                float[][] logits = Run(model, domain, pageSize);
                expected ??= logits;
                Assert.That(logits, Has.Length.EqualTo(expected.Length));
                for (int row = 0; row < logits.Length; row++)
                    TestTensors.AssertSameBits(
                        logits[row], expected[row],
                        $"{checkpoint.Path}, tp {size}, pages of {pageSize}, row {row}");
            }
        }
        Assert.That(expected!.SelectMany(row => row), Has.None.NaN);
    }

    /// <summary>Two prompts side by side in chunks, then tokens of one.</summary>
    private static float[][] Run(ShardedModel model, KvDomainKind domain, int pageSize)
    {
        using KvMemory memory = model.NewMemory(domain, Math.Max(pageSize, 4), out KvStore? store);
        using (store)
        {
            using ShardedWorker worker = new(model, memory);
            Random random = new(12);
            int[] first = TestPrompts.Random(random, 87, model.Config.VocabularySize);
            int[] second = TestPrompts.Random(random, 9, model.Config.VocabularySize);
            Sequence one = ShardedWorker.NewSequence(first, Enumerable.Range(0, 25).Select(i => 2 * i));
            Sequence two = ShardedWorker.NewSequence(second, [1, 3, 5]);
            List<float[]> rows =
            [
                .. worker.Step((one, 5)), .. worker.Step((one, 79), (two, 8)),
                .. worker.Step((two, 1), (one, 3)),
            ];
            rows.AddRange(worker.Decode(one, rows[^1], DecodeCount));
            return [.. rows];
        }
    }

    private sealed class LastReport : IProgress<long>
    {
        public long Bytes { get; private set; }

        public void Report(long value) => Bytes = value;
    }
}
