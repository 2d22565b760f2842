using System.Diagnostics;
using System.Text.Json;
using PdEngine.Examples;
using PdEngine.Host;
using Spectre.Console;

namespace PdEngine.Tests;

/// <summary><c>pdengine rollout</c>, on the model inside the command.</summary>
[NonParallelizable]
public sealed class RolloutVerbTests
{
    [Test]
    public async Task The_first_command_of_the_readme_plays_hands_over_and_scores_the_same()
    {
        PdEngineRun run = await PdEngineRun.ProcessAsync([], "rollout");
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        Assert.That(run.Error, Does.Contain("1 prefill and 1 decode workers").And.Contain("pd-tiny"));
        Assert.That(run.Out, Does.Contain("64: 64 completed")
            .And.Contain("prefill-0→decode-0")
            .And.Contain("maximum |score - rollout| = 0 over")
            .And.Match(@"sample 0\.0 turn 1: prompt of 4 tokens, .* blocks? prefill-0→decode-0")
            .And.Match(@"sample \d+\.\d+, done in \d+ turns?, reward 0\.\d+: guess -> "));
        Assert.That(run.Out.Split('\n').Count(line => line.StartsWith("task ", StringComparison.Ordinal)),
            Is.EqualTo(16));
    }

    [TestCase("guess", "--disaggregate always", "prefill-0", "decode-0")]
    [TestCase("guess", "--disaggregate never", "decode-0", "decode-0")]
    [TestCase("guess", "--rollout-num-gpus 4 --kv-domain device", "prefill-0", "decode-")]
    [TestCase("arithmetic", "--temperature 0", "prefill-0", "decode-0")]
    public async Task Json_has_every_sample_and_then_the_whole(
        string environment, string flags, string prefill, string decode)
    {
        (int exitCode, string error, string json) =
            await RunAsync($"--env {environment} --samples 8 --json FILE {flags}");
        Assert.That(exitCode, Is.Zero, error);
        JsonElement[] lines = Lines(json);
        Assert.That(lines, Has.Length.EqualTo(9));
        foreach (JsonElement sample in lines[..^1])
        {
            int response = sample.GetProperty("response_length").GetInt32();
            Assert.That(sample.GetProperty("status").GetString(), Is.EqualTo("completed"));
            Assert.That(sample.GetProperty("reward").GetRawText(), Has.Length.AtMost("0.1".Length));
            Assert.That(sample.GetProperty("loss_mask").GetArrayLength(), Is.EqualTo(response));
            Assert.That(sample.GetProperty("rollout_log_probs").GetArrayLength(), Is.EqualTo(response));
            Assert.That(sample.GetProperty("weight_versions")[0][0].GetString(), Is.EqualTo("default"));
            Assert.That(Names(sample, "prefill_workers"), Is.All.StartsWith(prefill).And.Not.Empty);
            Assert.That(Names(sample, "decode_workers"), Is.All.StartsWith(decode).And.Not.Empty);
            int drawn = sample.GetProperty("loss_mask").EnumerateArray().Sum(mask => mask.GetInt32());
            Assert.That(sample.GetProperty("drawn_tokens").GetInt32(), Is.EqualTo(drawn));
        }
        JsonElement whole = lines[^1];
        Assert.That(whole.GetProperty("logprob_diff_score").GetDouble(), Is.Zero);
        Assert.That(whole.GetProperty("scored_tokens").GetInt64(),
            Is.EqualTo(whole.GetProperty("drawn_tokens").GetInt64()).And.GreaterThan(0));
        Assert.That(whole.GetProperty("reward").GetDouble(),
            Is.EqualTo(lines[..^1].Average(sample => sample.GetProperty("reward").GetDouble())).Within(1e-6));
        Assert.That(whole.GetProperty("handoffs").GetInt32() > 0, Is.EqualTo(prefill != decode));
        Assert.That(whole.GetProperty("transfer_bytes").GetInt64() > 0, Is.EqualTo(flags.Contains("device")));
    }

    [Test]
    public async Task A_seed_gives_the_same_tokens_whatever_the_topology()
    {
        string[] ways = ["--seed 3", "--seed 3 --disaggregate never --page-size 16", "--seed 4"];
        List<string> tokens = [];
        foreach (string way in ways)
        {
            JsonElement[] lines = Lines((await RunAsync($"--samples 4 --json FILE {way}")).Json);
            tokens.Add(string.Join('\n', lines[..^1].Select(line => line.GetProperty("tokens").GetRawText()
                + line.GetProperty("rollout_log_probs").GetRawText())));
        }
        Assert.That(tokens[1], Is.EqualTo(tokens[0]));
        Assert.That(tokens[2], Is.Not.EqualTo(tokens[0]));
    }

    [TestCase("--env chess", "--env", "'chess'", "arithmetic")]
    [TestCase("--samples 0", "--samples", "1 to")]
    [TestCase("--json /nowhere/at/all", "--json", "/nowhere/at")]
    [TestCase("--model random:tiny", "--model", "not those of the games")]
    [TestCase("--sglang-config /nowhere/f", "/nowhere/f")]
    public async Task Bad_input_ends_with_one_message_and_exit_code_2(string line, params string[] parts) =>
        (await PdEngineRun.HereAsync(["rollout", "--max-total-tokens", "4096", .. line.Split(' ')]))
            .AssertRefused(parts);

    [TestCase("--temperature -1", "--temperature", "at least 0")]
    [TestCase("--temperature nan", "--temperature")]
    [TestCase("--max-new-tokens 0", "--max-new-tokens", "at least 1")]
    [TestCase("--top-p 0", "--top-p")]
    public async Task Sampling_that_draws_nothing_is_refused_before_a_model_is_loaded(
        string line, params string[] parts)
    {
        // A model that is not there would be told of, were it looked for first.
        PdEngineRun run =
            await PdEngineRun.HereAsync(["rollout", "--model", "/nowhere/model", .. line.Split(' ')]);
        run.AssertRefused(parts);
        Assert.That(run.Error, Does.Not.Contain("/nowhere"));
    }

    [Test]
    public void Rewards_are_written_as_the_games_give_them()
    {
        for (int turns = 1; turns <= GuessingGame.MaxTurns; turns++)
        {
            const int Target = 31;
            IEpisode game = GuessingGame.StartAt(Target);
            for (int miss = 1; miss < turns; miss++)
                game.Respond(Vocabulary.Answer("0"));
            TurnOutcome won = game.Respond(Vocabulary.Answer($"{Target}"));
            Assert.That(won.IsDone);
            Assert.That(won.ExactReward, Is.EqualTo((11 - turns) / 10.0));
            Assert.That((float)won.ExactReward, Is.EqualTo(won.Reward));
        }
    }

    [Test]
    public async Task An_interrupt_shows_what_there_is()
    {
        string json = Path.Combine(TestFiles.Scratch(), "rollout.jsonl");
        using Process process = PdEngineRun.Start("rollout", "--samples", "16384", "--json", json);
        Task<string> error = process.StandardError.ReadToEndAsync();
        await process.StandardOutput.ReadLineAsync();
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        using (Process kill = Process.Start("kill", ["-TERM", $"{process.Id}"]))
            await kill.WaitForExitAsync();
        await PdEngineRun.WaitAsync(process);
        Assert.That(process.ExitCode, Is.EqualTo(1), await error);
        Assert.That(await error, Does.Contain("pdengine: interrupted").And.Not.Contain("   at "));
        Assert.That(await output, Does.Contain(" aborted").And.Contain("not compared"));
        JsonElement whole = Lines(json)[^1];
        Assert.That(whole.GetProperty("aborted").GetInt32(), Is.GreaterThan(0));
        Assert.That(whole.GetProperty("samples").GetInt32(), Is.EqualTo(16384));
    }

    [Test]
    public async Task The_live_table_fits_a_terminal_and_shows_the_last_turns()
    {
        await using Engine engine = await Engine.StartAsync(new EngineOptions
        {
            ModelPath = DefaultModel.Name, MemoryFolders = [DefaultModel.Open()], MaxTotalTokens = 4096,
            PageSize = 4, Disaggregate = DisaggregateMode.Always,
            Topology = Topology.Resolve(new TopologyFlags { PrefillNumServers = 1, RolloutNumGpus = 2 }),
        });
        using RolloutRun run = new(engine.Models[0], new RolloutGames(new Examples.GuessingGame(), 1), 8,
            new SamplingParams { MaxNewTokens = 16 }, 1);
        using StringWriter live = new(), last = new();
        RolloutOutcome outcome =
            await run.PlayAsync("guess", new LiveRolloutView(Terminal(live)), default);
        Assert.That(outcome.Ended, Has.Count.EqualTo(8));
        Terminal(last).Write(LiveRolloutView.Frame(run));
        string[] lines = last.ToString().Split('\n');
        Assert.That(lines.Select(line => line.Length), Is.All.LessThanOrEqualTo(80));
        Assert.That(live.ToString(), Does.Contain("8 of 8 samples").And.Contain("prefill-0→decode-0"));
    }

    private static IAnsiConsole Terminal(StringWriter text)
    {
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = AnsiSupport.No, Out = new AnsiConsoleOutput(text),
        });
        console.Profile.Width = 80;
        return console;
    }

    private static async Task<(int ExitCode, string Error, string Json)> RunAsync(string flags)
    {
        string json = Path.Combine(TestFiles.Scratch(), "rollout.jsonl");
        string[] words = [.. flags.Split(' ').Select(word => word == "FILE" ? json : word)];
        PdEngineRun run =
            await PdEngineRun.HereAsync(["rollout", "--max-total-tokens", "8192", .. words]);
        return (run.ExitCode, run.Error, json);
    }

    private static JsonElement[] Lines(string file) =>
        [.. File.ReadAllLines(file).Select(PdEngineRun.Json)];

    private static IEnumerable<string?> Names(JsonElement sample, string field) =>
        sample.GetProperty(field).EnumerateArray().Select(name => name.GetString());
}
