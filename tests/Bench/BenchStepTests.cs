using System.Text.Json;
using PdEngine.Bench;

namespace PdEngine.Tests;

/// <summary><c>pdengine bench step</c> and <c>bench foreign</c>.</summary>
public sealed class BenchStepTests
{
    [Test]
    public async Task Quick_steps_every_batch_and_kind_of_request()
    {
        (PdEngineRun run, JsonElement[] rows) =
            await BenchRows.RunAsync("step", "--quick", "--batches", "1,4");
        Assert.That(rows, Has.Length.EqualTo(2 * StepVariants.All.Count));
        foreach (JsonElement row in rows)
        {
            Assert.That(BenchRows.Of(row, "us_per_step"), Is.Positive);
            Assert.That(BenchRows.Of(row, "limit_flops_per_second"), Is.Zero, "absent numbers are 0");
            bool streams = row.GetProperty("row").GetString() == StepVariants.NameOf(StepVariant.Streamed);
            if (!streams)
                Assert.That(BenchRows.Of(row, "bytes_per_step"), Is.Zero);
        }
        Assert.That(run.Out, Does.Contain("bytes a step"));
    }

    [Test]
    public async Task Quick_runs_beside_a_foreign_process_that_is_gone_afterwards()
    {
        if (!File.Exists("/usr/bin/taskset"))
            Assert.Ignore("taskset is not here");
        (PdEngineRun run, JsonElement[] rows) =
            await BenchRows.RunAsync("foreign", "--quick", "--threads", "1");
        Assert.That(rows, Has.Length.EqualTo(1));
        Assert.That(BenchRows.Of(rows[0], "shared_tokens_per_second"), Is.Positive);
        Assert.That(BenchRows.Of(rows[0], "fair_share"), Is.EqualTo(0.5));
        Assert.That(run.Out, Does.Contain("fair share"));
        Assert.That(ChildrenOfMine(), Is.Empty);
    }

    [TestCase("step --batches 0", "--batches", "1 to")]
    [TestCase("step --batches many", "--batches", "'many'")]
    [TestCase("foreign --core 70000", "--core", "70000")]
    [TestCase("foreign --shape huge", "--shape", "'huge'")]
    [TestCase("foreign --isa avx1024", "--isa", "'avx1024'")]
    public async Task Bad_flags_end_with_one_message_and_exit_code_2(string flags, params string[] parts)
    {
        PdEngineRun run = await PdEngineRun.HereAsync(["bench", .. flags.Split(' '), "--quick"]);
        run.AssertRefused(parts);
    }

    /// <summary>Command lines of child processes that spin.</summary>
    private static List<string> ChildrenOfMine()
    {
        List<string> found = [];
        foreach (string folder in Directory.EnumerateDirectories("/proc", "[0-9]*"))
        {
            try
            {
                string[] stat = File.ReadAllText(Path.Combine(folder, "stat")).Split(") ")[^1].Split(' ');
                string line = File.ReadAllText(Path.Combine(folder, "cmdline"));
                bool spins = line.Contains("while :", StringComparison.Ordinal);
                if (spins && stat[1] == $"{Environment.ProcessId}")
                    found.Add(line);
            }
            catch (IOException)
            {
                // It ended meanwhile.
            }
        }
        return found;
    }
}
