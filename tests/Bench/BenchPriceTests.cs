using System.Text.Json;
using System.Text.Json.Nodes;

namespace PdEngine.Tests;

/// <summary><c>pdengine bench price</c> on goldens that a tiny model made of itself in bf16.</summary>
public sealed class BenchPriceTests
{
    private const int AnswerTokens = 12;
    private static readonly string[] Isa = ["--isa", "avx2", "--threads", "1"];

    [Test]
    public async Task The_price_is_what_int8_differs_by()
    {
        (PdEngineRun run, JsonElement[] rows) = await PriceAsync(await GoldensAsync(shift: 0));
        Assert.That(rows.Select(row => row.GetProperty("dtype").GetString()),
            Is.EqualTo(new[] { "bf16", "int8" }));
        (JsonElement wide, JsonElement narrow) = (rows[0], rows[1]);
        foreach (JsonElement row in rows)
        {
            Assert.That(BenchRows.Of(row, "positions"), Is.EqualTo(40 + 17 - 2), "first tokens have none");
            Assert.That(BenchRows.Of(row, "chats"), Is.EqualTo(1));
            Assert.That(BenchRows.Of(row, "perplexity"), Is.InRange(2, 2000));
        }
        Assert.That(BenchRows.Of(wide, "mean_logprob_difference"), Is.Zero);
        Assert.That(BenchRows.Of(wide, "mean_logprob_difference_to_bf16"), Is.Zero);
        Assert.That(BenchRows.Of(wide, "equal_greedy_answers"), Is.EqualTo(1));
        Assert.That(BenchRows.Of(wide, "equal_greedy_token_share"), Is.EqualTo(1));
        double mean = BenchRows.Of(narrow, "mean_logprob_difference");
        Assert.That(mean, Is.InRange(1e-6, 0.5));
        Assert.That(BenchRows.Of(narrow, "mean_logprob_difference_to_bf16"), Is.EqualTo(mean).Within(1e-6));
        Assert.That(BenchRows.Of(narrow, "max_logprob_difference"), Is.GreaterThan(mean));
        Assert.That(run.Out, Does.Contain("int8 beside bf16"));
    }

    [Test]
    public async Task Goldens_of_another_model_cost_bf16_something_too()
    {
        (_, JsonElement[] rows) = await PriceAsync(await GoldensAsync(shift: 0.25f));
        Assert.That(BenchRows.Of(rows[0], "mean_logprob_difference"), Is.EqualTo(0.25).Within(1e-5));
        Assert.That(BenchRows.Of(rows[0], "mean_logprob_difference_to_bf16"), Is.Zero);
    }

    [TestCase("no such file", "golden cases", "--goldens")]
    [TestCase("{}", "golden cases")]
    [TestCase("{\"cases\": [{\"input_ids\": [1, 2], \"bf16\": {\"next_logprob\": [null], \"greedy\": []}}]}",
        "case 0", "1 golden", "2 of ours")]
    public async Task Goldens_that_are_none_end_with_one_message(string content, params string[] parts)
    {
        string file = Path.Combine(TestFiles.Scratch(), "golden.json");
        if (content[0] == '{')
            await File.WriteAllTextAsync(file, content);
        PdEngineRun run = await PdEngineRun.HereAsync(
            ["bench", "price", "--model", EngineRig.Folder(), "--goldens", file, .. Isa]);
        Assert.That(run.ExitCode, Is.EqualTo(1), run.Error);
        foreach (string part in parts)
            Assert.That(run.Error, Does.Contain(part));
    }

    [TestCase("--threads 0", "--threads", "1 to 1024")]
    [TestCase("--isa avx1024", "--isa", "'avx1024'")]
    [TestCase("--json /nowhere/at/all", "--json", "/nowhere/at")]
    public async Task Bad_flags_end_with_one_message_and_exit_code_2(string flags, params string[] parts)
    {
        string goldens = await GoldensAsync(shift: 0);
        PdEngineRun run = await PdEngineRun.HereAsync(
            ["bench", "price", "--model", EngineRig.Folder(), "--goldens", goldens, .. flags.Split(' ')]);
        run.AssertRefused(parts);
    }

    [Test]
    public async Task More_threads_than_cores_are_refused()
    {
        int cores = Environment.ProcessorCount;
        PdEngineRun run = await PdEngineRun.HereAsync(
            "bench", "price", "--model", EngineRig.Folder(), "--goldens", "not-read",
            "--threads", $"{cores + 1}");
        run.AssertRefused("--threads", $"{cores + 1} are more", $"{cores} cores");
    }

    private static async Task<(PdEngineRun Run, JsonElement[] Rows)> PriceAsync(string goldens)
    {
        string json = Path.Combine(Path.GetDirectoryName(goldens)!, "price.json");
        PdEngineRun run = await PdEngineRun.HereAsync(
            ["bench", "price", "--model", EngineRig.Folder(), "--goldens", goldens, "--json", json, .. Isa]);
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        return (run, [.. PdEngineRun.Json(await File.ReadAllTextAsync(json)).EnumerateArray()]);
    }

    /// <summary>A text and a chat, as a tiny model scores and continues them; log-probs shifted.</summary>
    private static async Task<string> GoldensAsync(float shift)
    {
        await using Engine engine = await Engine.StartAsync(EngineRig.Options() with { Isa = CpuIsa.Avx2 });
        Random random = new(5);
        JsonArray cases = [];
        foreach ((int length, bool isChat) in ((int, bool)[])[(40, false), (17, true)])
        {
            int[] ids = EngineRig.Ids(random, length);
            ScoredTokens scored = await engine.ScoreAsync(ids, 0, new());
            Generation answer = await engine.GenerateAsync(new GenerateRequest
            {
                InputIds = ids, Sampling = new() { Temperature = 0, MaxNewTokens = AnswerTokens },
            });
            JsonObject one = new()
            {
                ["input_ids"] = Array(ids.Select(id => (JsonNode)id)),
                ["bf16"] = new JsonObject
                {
                    ["next_logprob"] = Array(scored.Select(
                        entry => entry.LogProb is { } value ? (JsonNode)(value - shift) : null)),
                    ["greedy"] = Array(answer.OutputIds.Select(id => (JsonNode)id)),
                },
            };
            if (isChat)
                one["messages"] = new JsonArray();
            cases.Add(one);
        }
        string file = Path.Combine(TestFiles.Scratch($"price-{Guid.NewGuid():N}"), "golden.json");
        await File.WriteAllTextAsync(file, new JsonObject { ["cases"] = cases }.ToJsonString());
        return file;
    }

    private static JsonArray Array(IEnumerable<JsonNode?> items) => [.. items];
}
