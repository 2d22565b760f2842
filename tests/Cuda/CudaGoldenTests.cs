using System.Text.Json;

namespace PdEngine.Tests;

/// <summary>Tiny models on virtual GPUs: the goldens, and the same bits however the work is cut.</summary>
[Category("Cuda")]
public sealed class CudaGoldenTests
{
    private static readonly string[] Models = ["tiny-llama", "tiny-llama3-rope", "tiny-qwen2", "tiny-qwen3"];

    [Test]
    public void Log_probs_are_the_golden_ones([ValueSource(nameof(Models))] string name)
    {
        using CudaDevices devices = CudaTestDevice.Open();
        using ModelWeights weights = Load(devices, name, out JsonElement golden);
        using GoldenHarness harness = new(devices.Backends[0], weights, poolTokens: 256, batchTokens: 128);
        GoldenBounds bounds = GoldenBounds.BFloat16;
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
        }
        TestContext.Out.WriteLine($"mean {differences.Average():E2}, max {differences.Max():E2}");
        Assert.That(differences, Has.None.NaN);
        Assert.That(differences.Average(), Is.LessThanOrEqualTo(bounds.TinyMean));
        Assert.That(differences.Max(), Is.LessThanOrEqualTo(bounds.TinyMax));
    }

    [Test]
    public void Greedy_tokens_are_the_golden_ones([ValueSource(nameof(Models))] string name)
    {
        using CudaDevices devices = CudaTestDevice.Open();
        using ModelWeights weights = Load(devices, name, out JsonElement golden);
        JsonElement greedy = golden.GetProperty("greedy");
        if (greedy.GetProperty("min_top1_margin").GetDouble() <= GoldenBounds.BFloat16.TinyGreedyMargin)
            Assert.Ignore("its least margin is too small for bf16");
        using GoldenHarness harness = new(devices.Backends[0], weights, poolTokens: 256, batchTokens: 128);
        int[] expected = Ids(greedy.GetProperty("tokens"));
        (int[] tokens, _) = harness.Greedy(Ids(greedy.GetProperty("prompt")), expected.Length);
        Assert.That(tokens, Is.EqualTo(expected));
    }

    [Test]
    public void Prefill_chunks_and_decode_give_the_same_bits([Values(0ul, 1ul, 2ul)] ulong seed)
    {
        using CudaDevices devices = CudaTestDevice.Open(seed: seed);
        using ModelWeights weights = Load(devices, "tiny-llama", out _);
        using GoldenHarness harness = new(devices.Backends[0], weights, poolTokens: 512, batchTokens: 128);
        int[] prompt = TestPrompts.Random(new Random(5), 75, weights.Config.VocabularySize);
        int[] other = TestPrompts.Random(new Random(6), 33, weights.Config.VocabularySize);
        GoldenRun whole = harness.Score(prompt);
        AssertSame(harness.Score(prompt, chunkTokens: 7), whole, seed);
        AssertSame(harness.Score(prompt, chunkTokens: 1), whole, seed);
        AssertSame(harness.Score([other, prompt], prompt => prompt == 0 ? 1 : 20)[1], whole, seed);
        AssertSame(harness.ScoreOnCachedBlocks(prompt, 2), whole, seed);
    }

    private static void AssertSame(GoldenRun run, GoldenRun whole, ulong seed)
    {
        for (int position = Math.Max(run.First, 0) + 1; position < whole.LogProbs.Length; position++)
        {
            Assert.That(
                run.LogProbs[position], Is.EqualTo(whole.LogProbs[position]),
                $"position {position}, seed {seed}");
        }
    }

    private static ModelWeights Load(CudaDevices devices, string name, out JsonElement golden)
    {
        string folder = TestFiles.Golden("models", name);
        using JsonDocument document = JsonDocument.Parse(
            File.ReadAllBytes(Path.Combine(folder, "golden.json")));
        golden = document.RootElement.Clone();
        using ICheckpoint checkpoint = Checkpoint.Open(folder);
        return ModelWeights.Load(checkpoint, devices.Backends[0]);
    }

    private static int[] Ids(JsonElement array) => [.. array.EnumerateArray().Select(id => id.GetInt32())];
}
