using System.Text.Json.Nodes;
using PdEngine.Bench;

namespace PdEngine.Tests;

/// <summary>Engines on a tiny checkpoint of random weights, requests of every kind, and how to
/// compare.</summary>
internal static class EngineRig
{
    private const int VocabularySize = 320;
    private static readonly Lock Gate = new();

    /// <summary>
    /// A folder with random weights and, as asked, a tokenizer of one token a byte and a chat template.
    /// </summary>
    public static string Folder(bool hasTokenizer = true, string? template = null, string? tokenizer = null)
    {
        lock (Gate)
        {
            string name = $"engine-{hasTokenizer}-{template?.Length}-{tokenizer?.Length}";
            string folder =
                Path.Combine(Path.GetTempPath(), "pdengine-tests", $"{Environment.ProcessId}", name);
            if (Directory.Exists(folder))
                return folder;
            RandomCheckpoint.Write(folder, RandomCheckpoint.ConfigOf("tiny"), seed: 3);
            if (tokenizer is not null)
                File.WriteAllText(Path.Combine(folder, "tokenizer.json"), tokenizer);
            else if (hasTokenizer)
                File.WriteAllBytes(Path.Combine(folder, "tokenizer.json"), ByteTokenizer.Json());
            if (template is not null)
                File.WriteAllText(Path.Combine(folder, "chat_template.jinja"), template);
            return folder;
        }
    }

    public static EngineOptions Options(string? folder = null) => new()
    {
        ModelPath = folder ?? Folder(), MaxTotalTokens = 32_768, ThreadCount = 2,
    };

    public static Task<Engine> StartAsync(string? folder = null) => Engine.StartAsync(Options(folder));

    /// <summary>Requests that differ in every parameter; some share prefixes.</summary>
    public static GenerateRequest[] Requests(int count, int seed, int vocabulary = VocabularySize)
    {
        Random random = new(seed);
        int[] shared = Ids(random, 70, vocabulary);
        GenerateRequest[] requests = new GenerateRequest[count];
        for (int i = 0; i < count; i++)
        {
            int[] prompt = Ids(random, random.Next(1, 90), vocabulary);
            if (random.Next(3) == 0)
                prompt = [.. shared.AsSpan(0, random.Next(1, 70)), .. prompt];
            requests[i] = new GenerateRequest
            {
                InputIds = prompt,
                Sampling = Sampling(random, vocabulary) with { SamplingSeed = (ulong)i },
                ReturnLogProb = random.Next(4) != 0,
                LogProbStartLen = random.Next(3) == 0 ? random.Next(prompt.Length) : -1,
                TopLogProbsNum = random.Next(3) == 0 ? random.Next(1, 5) : 0,
            };
        }
        return requests;
    }

    public static SamplingParams Sampling(Random random, int vocabulary = VocabularySize) => new()
    {
        Temperature = random.Next(4) == 0 ? 0 : 0.5f + random.NextSingle(),
        TopP = random.Next(3) == 0 ? 0.9f : 1,
        TopK = random.Next(3) == 0 ? random.Next(1, 40) : -1,
        MinP = random.Next(4) == 0 ? 0.05f : 0,
        RepetitionPenalty = random.Next(3) == 0 ? 1.3f : 1,
        FrequencyPenalty = random.Next(3) == 0 ? 0.7f : 0,
        PresencePenalty = random.Next(3) == 0 ? -0.4f : 0,
        LogitBias = random.Next(3) == 0
            ? new Dictionary<int, float> { [random.Next(vocabulary)] = 4, [random.Next(vocabulary)] = -100 }
            : new Dictionary<int, float>(),
        MaxNewTokens = random.Next(1, 40),
        MinNewTokens = 0,
        IgnoreEos = random.Next(3) == 0,
        StopTokenIds = random.Next(3) == 0 ? Ids(random, 6, vocabulary) : [],
    };

    public static int[] Ids(Random random, int count, int vocabulary = VocabularySize)
    {
        int[] ids = new int[count];
        for (int i = 0; i < count; i++)
            ids[i] = random.Next(vocabulary);
        return ids;
    }

    /// <summary>Each request alone on an engine that caches nothing.</summary>
    public static async Task<Generation[]> OneByOneAsync(EngineOptions options, GenerateRequest[] requests)
    {
        await using Engine engine = await Engine.StartAsync(options with { DisableRadixCache = true });
        Generation[] alone = new Generation[requests.Length];
        for (int i = 0; i < requests.Length; i++)
            alone[i] = await engine.GenerateAsync(requests[i]);
        return alone;
    }

    /// <summary>All requests at once in a shuffled order; results are in the requests' order.</summary>
    public static async Task<Generation[]> AtOnceAsync(Engine engine, GenerateRequest[] requests, int seed)
    {
        int[] order = [.. Enumerable.Range(0, requests.Length)];
        new Random(seed).Shuffle(order);
        Task<Generation>[] tasks = new Task<Generation>[requests.Length];
        foreach (int index in order)
            tasks[index] = engine.GenerateAsync(requests[index]);
        return await Task.WhenAll(tasks);
    }

    /// <summary>The same, begun together however late the last of them comes.</summary>
    public static async Task<Generation[]> TogetherAsync(Engine engine, GenerateRequest[] requests, int seed)
    {
        await engine.Models[0].PauseAsync(PauseMode.Retract);
        Task<Generation[]> running = AtOnceAsync(engine, requests, seed);
        await engine.Models[0].ContinueAsync();
        return await running;
    }

    public static void AssertSame(
        IReadOnlyList<Generation> expected, IReadOnlyList<Generation> actual, string what)
    {
        Assert.That(actual, Has.Count.EqualTo(expected.Count));
        for (int i = 0; i < expected.Count; i++)
            AssertSame(expected[i], actual[i], $"{what}, request {i}");
    }

    /// <summary>Equal in tokens, texts and ends, and in every bit of every log-prob.</summary>
    public static void AssertSame(Generation expected, Generation actual, string what)
    {
        Assert.That(actual.Error, Is.Null, what);
        Assert.That(actual.OutputIds, Is.EqualTo(expected.OutputIds), what);
        Assert.That(actual.Text, Is.EqualTo(expected.Text), what);
        Assert.That(actual.FinishReason, Is.EqualTo(expected.FinishReason), what);
        Assert.That(actual.MatchedStopId, Is.EqualTo(expected.MatchedStopId), what);
        AssertSameBits(expected.OutputLogProbs, actual.OutputLogProbs, $"{what}, output");
        AssertSameBits(expected.InputLogProbs, actual.InputLogProbs, $"{what}, input");
    }

    public static void AssertSameBits(
        IReadOnlyList<TokenLogProb> expected, IReadOnlyList<TokenLogProb> actual, string what)
    {
        Assert.That(actual, Has.Count.EqualTo(expected.Count), what);
        for (int i = 0; i < expected.Count; i++)
        {
            Assert.That(actual[i].TokenId, Is.EqualTo(expected[i].TokenId), $"{what}, position {i}");
            Assert.That(
                Bits(actual[i].LogProb), Is.EqualTo(Bits(expected[i].LogProb)), $"{what}, position {i}");
            Assert.That(actual[i].Top, Is.EqualTo(expected[i].Top), $"{what}, position {i}");
        }
    }

    /// <summary>A tokenizer_config.json with a chat template.</summary>
    public static string TokenizerConfig(string template) =>
        new JsonObject { ["chat_template"] = template, ["bos_token"] = "<s>",
            ["eos_token"] = "</s>" }.ToJsonString();

    private static int? Bits(float? value) => value is { } real ? BitConverter.SingleToInt32Bits(real) : null;
}
