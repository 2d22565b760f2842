using System.Text.Json;

namespace PdEngine.Tests;

[Category("Goldens")]
public sealed class TinyGoldenTests
{
    private static readonly string[] Families = ["llama", "mistral", "qwen2", "qwen3"];

    [TestCaseSource(nameof(Cases))]
    public void Log_probs_and_logits_are_the_golden_ones(string backend, string name)
    {
        using TestModel model = Open(backend, name, out JsonElement golden);
        using GoldenHarness harness = new(model.Backend, model.Weights) { KeepLogits = true };
        GoldenBounds bounds = model.Described.Bounds;
        List<double> differences = [];
        foreach (JsonElement one in golden.GetProperty("cases").EnumerateArray())
        {
            GoldenRun run = harness.Score(Ids(one.GetProperty("input_ids")));
            int position = 0;
            foreach (JsonElement expected in one.GetProperty("next_logprob").EnumerateArray())
            {
                if (expected.ValueKind == JsonValueKind.Number)
                    differences.Add(Math.Abs(expected.GetDouble() - run.LogProbs[position]));
                position++;
            }
            Assert.That(position, Is.EqualTo(run.LogProbs.Length));
            if (bounds.IsExact)
                AssertLogits(one, run, bounds.TinyMax);
        }
        TestContext.Out.WriteLine($"mean {differences.Average():E2}, max {differences.Max():E2}");
        Assert.That(differences, Has.None.NaN);
        Assert.That(differences.Average(), Is.LessThanOrEqualTo(bounds.TinyMean));
        Assert.That(differences.Max(), Is.LessThanOrEqualTo(bounds.TinyMax));
    }

    [TestCaseSource(nameof(Cases))]
    public void Greedy_tokens_are_the_golden_ones(string backend, string name)
    {
        using TestModel model = Open(backend, name, out JsonElement golden);
        JsonElement greedy = golden.GetProperty("greedy");
        double margin = greedy.GetProperty("min_top1_margin").GetDouble();
        if (margin <= model.Described.Bounds.TinyGreedyMargin)
            Assert.Ignore($"its least margin, {margin}, is too small for {backend}");
        using GoldenHarness harness = new(model.Backend, model.Weights);
        int[] expected = Ids(greedy.GetProperty("tokens"));
        (int[] tokens, _) = harness.Greedy(Ids(greedy.GetProperty("prompt")), expected.Length);
        Assert.That(tokens, Is.EqualTo(expected));
    }

    [TestCaseSource(nameof(Cases))]
    public void Cutting_the_work_another_way_changes_no_bit(string backend, string name)
    {
        using TestModel model = Open(backend, name, out JsonElement golden);
        foreach (JsonElement one in golden.GetProperty("cases").EnumerateArray())
            BatchInvarianceTests.AssertInvariant(model, Ids(one.GetProperty("input_ids")));
        ModelConfig config = model.Weights.Config;
        int count = Math.Min(200, config.MaxPositions);
        BatchInvarianceTests.AssertInvariant(
            model, TestPrompts.Random(new Random(9), count, config.VocabularySize));
    }

    private static IEnumerable<object[]> Cases()
    {
        string[] names = TestFiles.HasGolden("models")
            ? [.. Directory.GetDirectories(Path.Combine(TestFiles.GoldensFolder, "models")).Order()
                .Select(folder => Path.GetFileName(folder))]
            : ["absent"];
        foreach (string backend in TestBackends.Names())
        {
            foreach (string name in names)
                yield return [backend, name];
        }
    }

    private static TestModel Open(string backend, string name, out JsonElement golden)
    {
        string folder = TestFiles.Golden("models", name);
        golden = Read(Path.Combine(folder, "golden.json"));
        string family = Read(Path.Combine(folder, "config.json")).GetProperty("model_type").GetString()!;
        if (!Families.Contains(family))
        {
            Assert.Throws<CheckpointException>(() => Checkpoint.Open(folder).Dispose());
            Assert.Ignore($"model_type '{family}' is not a dense family of this engine");
        }
        return TestModel.Load(backend, Checkpoint.Open(folder));
    }

    private static void AssertLogits(JsonElement one, GoldenRun run, double bound)
    {
        foreach (JsonProperty row in one.GetProperty("logits").EnumerateObject())
        {
            double[] expected = [.. row.Value.EnumerateArray().Select(value => value.GetDouble())];
            TestTensors.AssertNear(
                run.Logits[int.Parse(row.Name)], expected, bound, $"logits at {row.Name}");
        }
    }

    private static int[] Ids(JsonElement array) => [.. array.EnumerateArray().Select(id => id.GetInt32())];

    private static JsonElement Read(string path)
    {
        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(path));
        return document.RootElement.Clone();
    }
}
