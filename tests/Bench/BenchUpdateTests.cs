using System.Text.Json;
using PdEngine.Bench;
using Spectre.Console;

namespace PdEngine.Tests;

/// <summary><c>pdengine bench update</c> and <c>bench rollout</c>.</summary>
public sealed class BenchUpdateTests
{
    [Test]
    public async Task Quick_pushes_weights_in_every_mode()
    {
        (PdEngineRun run, JsonElement[] rows) = await BenchRows.RunAsync("update", "--quick");
        Assert.That(rows.Select(row => row.GetProperty("row").GetString()),
            Is.EqualTo(UpdateArm.All.Select(arm => arm.Name)));
        foreach ((JsonElement row, UpdateArm arm) in rows.Zip(UpdateArm.All))
        {
            Assert.That(BenchRows.Of(row, "weight_bytes"), Is.GreaterThan(100_000));
            Assert.That(BenchRows.Of(row, "limit_bytes_per_second"), Is.Positive);
            Assert.That(BenchRows.Of(row, "stop_seconds"), Is.Positive);
            double seconds = BenchRows.Of(row, "weight_bytes") / BenchRows.Of(row, "bytes_per_second");
            Assert.That(BenchRows.Of(row, "share_of_limit"), Is.EqualTo(
                BenchRows.Of(row, "weight_bytes") / BenchRows.Of(row, "limit_bytes_per_second") / seconds)
                .Within(1e-6).Percent);
            Assert.That(BenchRows.Of(row, "batch"), Is.EqualTo(arm.Mode is null ? 0 : 3));
            Assert.That(BenchRows.Of(row, "gap_seconds"),
                arm.Mode is null ? Is.Zero : Is.Positive, arm.Name);
            AssertVerdict(run.Out, row, arm);
        }
        Assert.That(run.Out, Does.Contain("gap under 2 steps"));
    }

    [Test]
    public void A_gap_that_no_step_measures_is_unknown_and_meets_nothing()
    {
        UpdateRow row = Staged();
        Assert.That((row.IsMet, row.Verdict), Is.EqualTo(((bool?)true, "met")));
        foreach (UpdateRow blind in (UpdateRow[])
            [row with { StepSeconds = 0 }, row with { GapSeconds = 0 }])
        {
            Assert.That((blind.GapSteps, blind.IsMet), Is.EqualTo(((double?)null, (bool?)null)));
            using StringWriter text = new();
            IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings
            {
                Ansi = AnsiSupport.No, Out = new AnsiConsoleOutput(text),
            });
            console.Profile.Width = 400;
            UpdateReport.Print(console, "title", [blind]);
            string line = text.ToString().Split('\n').Single(
                printed => printed.Contains(row.Name, StringComparison.Ordinal));
            Assert.That(line, Does.Contain("unknown").And.Not.Contain("met"));
            using MemoryStream stream = new();
            UpdateReport.WriteJson(stream, [blind]);
            using JsonDocument json = JsonDocument.Parse(stream.ToArray());
            Assert.That(
                json.RootElement[0].GetProperty("gap_steps").ValueKind, Is.EqualTo(JsonValueKind.Null));
        }
    }

    [Test]
    public async Task Given_counts_win_over_those_of_quick()
    {
        (PdEngineRun _, JsonElement[] rows) = await BenchRows.RunAsync(
            "rollout", "--quick", "--samples", "6", "--samples-per-prompt", "1,3");
        Assert.That(rows.Select(row => BenchRows.Of(row, "batch")), Is.EqualTo(new[] { 6.0, 6.0 }));
        Assert.That(rows.Select(row => BenchRows.Of(row, "tokens")), Is.EqualTo(new[] { 48.0, 48.0 }));
    }

    private static void AssertVerdict(string printed, JsonElement row, UpdateArm arm)
    {
        string line = printed.Split('\n').Single(
            text => text.Contains($" {arm.Name} ", StringComparison.Ordinal));
        string verdict = line.Split('│')[^2].Trim();
        if (arm is not { Mode: PauseMode.InPlace, Stages: true })
        {
            Assert.That(verdict, Is.Empty, arm.Name);
            return;
        }
        double step = BenchRows.Of(row, "step_seconds");
        JsonElement gap = row.GetProperty("gap_steps");
        if (step == 0)
        {
            Assert.That((gap.ValueKind, verdict), Is.EqualTo((JsonValueKind.Null, "unknown")));
            return;
        }
        double steps = BenchRows.Of(row, "gap_seconds") / step;
        Assert.That(gap.GetDouble(), Is.EqualTo(steps).Within(1e-6).Percent);
        Assert.That(verdict, Is.EqualTo(steps < 2 ? "met" : "missed"));
    }

    private static UpdateRow Staged() => new()
    {
        Arm = new(PauseMode.InPlace, Stages: true), Name = "in_place-staged", Phase = "update",
        Dtype = "bf16", Isa = "avx2", Threads = 1, Batch = 8, Tokens = 0, Context = 1, Seconds = 0.5,
        Flops = 0, Bytes = 2e9, Limits = new(0, 0, 8e9), PrepareSeconds = 0.48, StopSeconds = 0.02,
        StepSeconds = 0.04, GapSeconds = 0.06, FlowLeft = 1,
    };

    [Test]
    public void A_row_counts_its_gap_in_steps()
    {
        UpdateRow row = Staged();
        Assert.That(row.ShareOfLimit, Is.EqualTo(0.5).Within(1e-12));
        Assert.That(row.BoundBy, Is.EqualTo("bytes"));
        Assert.That(row.GapSteps, Is.EqualTo(1.5).Within(1e-12));
        Assert.That(row.IsMet, Is.True);
        Assert.That((row with { GapSeconds = 0.09 }).IsMet, Is.False);
        Assert.That((row with { Arm = new(PauseMode.Retract, true) }).IsMet, Is.Null);
    }

    [Test]
    public async Task Quick_computes_each_prompt_once_whatever_its_samples()
    {
        (PdEngineRun run, JsonElement[] rows) = await BenchRows.RunAsync("rollout", "--quick");
        Assert.That(rows.Select(row => row.GetProperty("row").GetString()),
            Is.EqualTo(new[] { "n=1", "n=8" }));
        foreach (JsonElement row in rows)
        {
            BenchRows.AssertMeasured(row);
            Assert.That(BenchRows.Of(row, "tokens"), Is.EqualTo(16 * 8));
            Assert.That(
                BenchRows.Of(row, "prefill_tokens"), Is.AtLeast(BenchRows.Of(row, "prompts") * 96));
            Assert.That(BenchRows.Of(row, "prefill_tokens") + BenchRows.Of(row, "cached_tokens"),
                Is.EqualTo(16 * 96), "every sample has its prompt from somewhere");
        }
        // A sample that comes when its prompt is done computes what is past the last whole block.
        Assert.That(BenchRows.Of(rows[1], "prefill_tokens"),
            Is.LessThan(0.6 * BenchRows.Of(rows[0], "prefill_tokens")));
        Assert.That(BenchRows.Of(rows[0], "ratio"), Is.EqualTo(1));
        Assert.That(run.Out, Does.Contain("prefill tokens"));
    }

    [TestCase("update --arms paused", "--arms", "'paused'", "in_place-staged")]
    [TestCase("update --shape huge", "--shape", "'huge'")]
    [TestCase("update --streams 0", "--streams", "1 to 256")]
    [TestCase("update --json /nowhere/at/all", "--json", "/nowhere/at")]
    [TestCase("rollout --samples-per-prompt 1,3", "--samples-per-prompt", "3 samples a prompt", "16")]
    [TestCase("rollout --samples 10", "--samples-per-prompt", "8 samples a prompt", "10")]
    [TestCase("rollout --samples-per-prompt some", "--samples-per-prompt", "'some'")]
    [TestCase("rollout --samples 0", "--samples", "1 to 4096")]
    [TestCase("rollout --no-peer", "--no-peer")]
    public async Task Bad_flags_end_with_one_message_and_exit_code_2(string flags, params string[] parts)
    {
        PdEngineRun run = await PdEngineRun.HereAsync(["bench", .. flags.Split(' '), "--quick"]);
        run.AssertRefused(parts);
    }
}
