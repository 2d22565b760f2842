using System.Text.Json;
using System.Xml.Linq;
using PdEngine.Bench;

namespace PdEngine.Tests;

/// <summary><c>pdengine bench pd</c> from flags to files.</summary>
public sealed class BenchPdTests
{
    [Test]
    public async Task Quick_runs_every_arm_of_ours_with_the_same_tokens()
    {
        JsonElement[] loads = await QuickAsync("--no-peer");
        string[] ours = [.. PdArm.All.Where(arm => !arm.IsPeer).Select(arm => arm.Name)];
        Assert.That(loads.Select(load => load.GetProperty("load").GetString()),
            Is.EqualTo(new[] { "injection", "agentic" }));
        foreach (JsonElement load in loads)
        {
            Assert.That(load.GetProperty("outputs_identical").GetBoolean(), Is.True);
            Assert.That(ArmNames(load), Is.EqualTo(ours));
            foreach (JsonElement arm in load.GetProperty("arms").EnumerateArray())
            {
                Assert.That(arm.GetProperty("as_named").GetBoolean(), Is.True);
                Assert.That(arm.GetProperty("tokens_per_second").GetDouble(), Is.Positive);
                Assert.That(arm.GetProperty("cached_share").GetDouble(), Is.InRange(0.01, 1));
                Assert.That(arm.GetProperty("probe_after").GetProperty("read_gbps").GetDouble(), Is.Positive);
            }
        }
    }

    [Test]
    public async Task Quick_runs_the_peer_on_the_same_load()
    {
        if (!LlamaPackage.IsHere)
            Assert.Ignore("llama.cpp is not here; bench fetches it");
        // Its threads wait for each other by spinning: with more of them than idle cores it takes minutes.
        JsonElement[] loads =
            await QuickAsync("--arms", "chunk-256,llama,llama-256", "--threads", "1");
        foreach (JsonElement load in loads)
        {
            JsonElement[] arms = [.. load.GetProperty("arms").EnumerateArray()];
            Assert.That(ArmNames(load), Is.EqualTo(new[] { "chunk-256", "llama", "llama-256" }));
            Assert.That(arms.Select(arm => arm.GetProperty("prompt_tokens").GetInt32()).Distinct().Count(),
                Is.EqualTo(1), "all arms get the same prompts");
            Assert.That(arms[1].GetProperty("cached_share").GetDouble(), Is.Positive);
        }
    }

    [TestCase("--arms colocated", "--arms", "'colocated'", "chunk-256")]
    [TestCase("--arms ,", "--arms", "chunk-256")]
    [TestCase("--arms llama", "--arms", "none left")]
    [TestCase("--load soak", "--load", "'soak'", "injection")]
    [TestCase("--kv-domain moon", "--kv-domain", "'moon'", "device")]
    [TestCase("--stall-seconds 0", "--stall-seconds", "above 0")]
    [TestCase("--stall-seconds nan", "--stall-seconds")]
    [TestCase("--temperature -1", "--temperature")]
    [TestCase("--seed -1", "--seed", "-1")]
    [TestCase("--repeats 0", "--repeats", "1 to 1000")]
    [TestCase("--threads 0", "--threads", "1 to 1024")]
    [TestCase("--sessions 0", "--sessions", "0", "1 to")]
    [TestCase("--turns many", "--turns", "many")]
    [TestCase("--streams 257", "--streams", "256")]
    [TestCase("--inject-after 24", "--inject-after", "24")]
    [TestCase("--start-tokens 4000", "agentic", "2048")]
    [TestCase("--model random:huge", "'huge'", "tiny")]
    [TestCase("--json /nowhere/at/all", "--json", "/nowhere/at")]
    [TestCase("--svg /tmp", "--svg", "/tmp")]
    [TestCase("--frob", "'--frob'")]
    public async Task Bad_flags_end_with_one_message_and_exit_code_2(string flags, params string[] parts)
    {
        PdEngineRun run = await PdEngineRun.HereAsync(
            ["bench", "pd", "--quick", "--no-peer", .. flags.Split(' ')]);
        run.AssertRefused(parts);
    }

    private static async Task<JsonElement[]> QuickAsync(params string[] flags)
    {
        string folder = TestFiles.Scratch();
        string json = Path.Combine(folder, "pd.json"), svg = Path.Combine(folder, "pd.svg");
        PdEngineRun run = await PdEngineRun.HereAsync(
            ["bench", "pd", "--quick", "--json", json, "--svg", svg, .. flags]);
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        Assert.That(run.Out, Does.Contain("outputs identical across arms: yes"));
        Assert.That(XDocument.Load(svg).Root!.Name.LocalName, Is.EqualTo("svg"));
        return [.. PdEngineRun.Json(await File.ReadAllTextAsync(json)).EnumerateArray()];
    }

    private static IEnumerable<string?> ArmNames(JsonElement load) =>
        load.GetProperty("arms").EnumerateArray().Select(arm => arm.GetProperty("arm").GetString());
}
