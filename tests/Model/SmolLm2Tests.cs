using System.Text.Json;

namespace PdEngine.Tests;

/// <summary>A real checkpoint, against the log-probs of an independent implementation.</summary>
[Category("Goldens")]
public sealed class SmolLm2Tests
{
    /// <summary>Texts from this length on have their mean negative log-likelihood compared too.</summary>
    private const int LongTokens = 1001;
    private const double LongNllBound = 0.005;

    [TestCaseSource(typeof(TestBackends), nameof(TestBackends.Names))]
    public void Log_probs_and_greedy_tokens_are_the_golden_ones(string backend)
    {
        string path = TestFiles.Golden("smollm2", "golden.json");
        using JsonDocument golden = JsonDocument.Parse(File.ReadAllBytes(path));
        using TestModel model = TestModel.Load(backend, Checkpoint.Open(TestFiles.SmolLm2()));
        GoldenBounds bounds = model.Described.Bounds;
        using GoldenHarness harness =
            new(model.Backend, model.Weights, pageSize: 64, poolTokens: 8192, batchTokens: 2048);
        List<double> differences = [];
        IEnumerable<JsonElement> cases = golden.RootElement.GetProperty("cases").EnumerateArray()
            .Where(one => !bounds.RealChatsOnly || one.TryGetProperty("messages", out _))
            .OrderByDescending(one => one.GetProperty("input_ids").GetArrayLength())
            .Take(bounds.MostRealCases);
        foreach (JsonElement one in cases)
        {
            int[] ids = Ids(one.GetProperty("input_ids"));
            JsonElement expected = one.GetProperty(bounds.RealVariant);
            AddDifferences(differences, expected, harness.Score(ids, 2048), ids.Length >= LongTokens);
            AssertGreedy(harness, ids, expected, bounds);
        }
        TestContext.Out.WriteLine(
            $"{differences.Count} positions, mean {differences.Average():E2}, max {differences.Max():E2}");
        Assert.That(differences, Has.None.NaN);
        Assert.That(differences.Average(), Is.LessThanOrEqualTo(bounds.RealMean));
        Assert.That(differences.Max(), Is.LessThanOrEqualTo(bounds.RealMax));
    }

    private static void AddDifferences(
        List<double> differences, JsonElement expected, GoldenRun run, bool compareMeans)
    {
        int position = 0;
        int firstDifference = differences.Count;
        double sum = 0;
        foreach (JsonElement logProb in expected.GetProperty("next_logprob").EnumerateArray())
        {
            if (logProb.ValueKind == JsonValueKind.Number)
            {
                differences.Add(Math.Abs(logProb.GetDouble() - run.LogProbs[position]));
                sum += logProb.GetDouble() - run.LogProbs[position];
            }
            position++;
        }
        Assert.That(position, Is.EqualTo(run.LogProbs.Length));
        if (compareMeans)
            Assert.That(sum / (differences.Count - firstDifference), Is.EqualTo(0).Within(LongNllBound));
    }

    private static void AssertGreedy(
        GoldenHarness harness, int[] ids, JsonElement expected, GoldenBounds bounds)
    {
        int[] tokens = Ids(expected.GetProperty("greedy"));
        double[] margins = Numbers(expected.GetProperty("greedy_margin"));
        double[] logProbs = Numbers(expected.GetProperty("greedy_logprob"));
        int certain = Array.FindIndex(margins, margin => margin < bounds.RealGreedyMargin);
        certain = certain < 0 ? tokens.Length : certain;
        (int[] drawn, float[] drawnLogProbs) = harness.Greedy(ids, certain);
        Assert.That(drawn, Is.EqualTo(tokens[..certain]));
        for (int index = 0; index < certain; index++)
            Assert.That(drawnLogProbs[index], Is.EqualTo(logProbs[index]).Within(bounds.RealMax));
    }

    private static int[] Ids(JsonElement array) => [.. array.EnumerateArray().Select(id => id.GetInt32())];

    private static double[] Numbers(JsonElement array) =>
        [.. array.EnumerateArray().Select(number => number.GetDouble())];
}
