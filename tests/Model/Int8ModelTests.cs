using System.Text.Json;

namespace PdEngine.Tests;

/// <summary>Whole models in int8: near the goldens, and bitwise the same however the work is cut.</summary>
public sealed class Int8ModelTests
{
    private const Quantization Int8 = Quantization.W8A8Int8;

    /// <summary>Bounds on the mean |log-prob - golden| in nats.</summary>
    private const double TinyMean = 0.1;
    private const double RealMean = 0.2;

    [Test]
    [Category("Goldens")]
    public void Tiny_models_stay_near_their_goldens(
        [ValueSource(typeof(TestBackends), nameof(TestBackends.Names))] string backend)
    {
        foreach (string folder in TinyFolders())
        {
            using TestModel model = TestModel.Load(backend, Checkpoint.Open(folder), Int8);
            using GoldenHarness harness = new(model.Backend, model.Weights);
            List<double> differences = [];
            JsonElement golden = Read(Path.Combine(folder, "golden.json"));
            foreach (JsonElement one in golden.GetProperty("cases").EnumerateArray())
                AddDifferences(differences, one, harness.Score(Ids(one.GetProperty("input_ids"))));
            TestContext.Out.WriteLine(
                $"{Path.GetFileName(folder)}: mean {differences.Average():E2}, max {differences.Max():E2}");
            Assert.That(differences, Has.None.NaN, folder);
            Assert.That(differences.Average(), Is.GreaterThan(0).And.LessThanOrEqualTo(TinyMean), folder);
        }
    }

    [Test]
    [Category("Goldens")]
    public void A_real_model_stays_near_its_goldens([Values] bool quantisesHead)
    {
        JsonElement golden = Read(TestFiles.Golden("smollm2", "golden.json"));
        using TestModel model = TestModel.Load(
            BestIsa(), Checkpoint.Open(TestFiles.SmolLm2()), Int8, quantisesHead);
        using GoldenHarness harness =
            new(model.Backend, model.Weights, pageSize: 64, poolTokens: 8192, batchTokens: 2048);
        List<double> differences = [];
        foreach (JsonElement one in golden.GetProperty("cases").EnumerateArray())
        {
            AddDifferences(
                differences, one.GetProperty("bf16"), harness.Score(Ids(one.GetProperty("input_ids")), 512));
        }
        TestContext.Out.WriteLine($"head in int8: {quantisesHead}, {differences.Count} positions, mean "
            + $"{differences.Average():F4}, max {differences.Max():F3}");
        Assert.That(differences, Has.None.NaN);
        Assert.That(differences.Average(), Is.GreaterThan(0).And.LessThanOrEqualTo(RealMean));
    }

    [Test]
    public void Cutting_the_work_another_way_changes_no_bit(
        [ValueSource(typeof(TestBackends), nameof(TestBackends.Names))] string backend,
        [Values("everything", "plain", "wide")] string shape)
    {
        ModelConfig config = shape switch
        {
            "everything" => TestConfigs.Everything,
            "plain" => TestConfigs.Plain,
            _ => TestConfigs.Config(8, 2, 64, 256, 512),
        };
        using TestModel model = TestModel.Load(backend, new SyntheticCheckpoint(config, 5), Int8);
        BatchInvarianceTests.AssertInvariant(
            model, TestPrompts.Random(new Random(5), 200, config.VocabularySize));
    }

    [Test]
    public void Every_number_of_ranks_gives_the_bits_of_one(
        [ValueSource(typeof(TestBackends), nameof(TestBackends.Names))] string backend,
        [Values("every option", "one KV head", "two KV heads", "a KV head each", "two ranks at most")]
        string shape)
    {
        SyntheticCheckpoint checkpoint = new(TensorParallelTests.Shapes[shape], 11);
        TensorParallelTests.AssertSizesAgree(backend, checkpoint, KvDomainKind.Device, [16], Int8);
    }

    [Test]
    [Category("Goldens")]
    public void Golden_models_agree_at_every_number_of_ranks(
        [ValueSource(typeof(TestBackends), nameof(TestBackends.Names))] string backend)
    {
        foreach (string folder in TinyFolders())
        {
            using ICheckpoint checkpoint = Checkpoint.Open(folder);
            TensorParallelTests.AssertSizesAgree(backend, checkpoint, KvDomainKind.Host, [16], Int8);
        }
    }

    [Test]
    public void A_tied_table_is_one_int8_matrix_and_an_untied_embedding_stays_as_it_was([Values] bool ties)
    {
        ModelConfig config = TestConfigs.Plain with { TieWordEmbeddings = ties };
        using ReferenceBackend backend = new(1);
        SyntheticCheckpoint checkpoint = new(config, 3);
        using ModelWeights weights = ModelWeights.Load(checkpoint, backend, quantization: Int8);
        Assert.That(weights.Head!.Element, Is.EqualTo(MatrixElement.Int8));
        Assert.That(weights.Layers[0].Down.Element, Is.EqualTo(MatrixElement.Int8));
        Assert.That(ReferenceEquals(weights.Head, weights.Embedding), Is.EqualTo(ties));
        Assert.That(weights.Embedding.Element,
            Is.EqualTo(ties ? MatrixElement.Int8 : MatrixElement.Native));
    }

    private static string BestIsa() => CpuIsaSupport.NameOf(CpuIsaSupport.Resolve(CpuIsa.Auto));

    private static string[] TinyFolders()
    {
        string[] folders =
            [.. Directory.GetDirectories(TestFiles.Golden("models")).Where(TinyGoldens.IsDense).Order()];
        Assert.That(folders, Is.Not.Empty);
        return folders;
    }

    private static void AddDifferences(List<double> differences, JsonElement expected, GoldenRun run)
    {
        int position = 0;
        foreach (JsonElement logProb in expected.GetProperty("next_logprob").EnumerateArray())
        {
            if (logProb.ValueKind == JsonValueKind.Number)
                differences.Add(Math.Abs(logProb.GetDouble() - run.LogProbs[position]));
            position++;
        }
    }

    private static int[] Ids(JsonElement array) => [.. array.EnumerateArray().Select(id => id.GetInt32())];

    private static JsonElement Read(string path)
    {
        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(path));
        return document.RootElement.Clone();
    }
}
