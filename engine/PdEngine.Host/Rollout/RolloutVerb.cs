using System.CommandLine;
using System.Runtime.CompilerServices;
using PdEngine.Examples;
using Spectre.Console;

namespace PdEngine.Host;

/// <summary><c>pdengine rollout</c>: a multi-turn rollout, and what moved where in it.</summary>
internal sealed class RolloutVerb
{
    private const int MaxSamples = 65536;

    // A game is a few dozen tokens: blocks of the usual size would never fill, and nothing be cached.
    private readonly EngineFlags _engine = new(splitsByDefault: true, pageSize: 4);
    private readonly SamplingFlags _sampling = new(maxNewTokens: 16);

    private readonly BenchOutput _output = new(
        "Writes a JSON object a line: one for each sample (rollout_id, index, status, reward, success, "
        + "turns, text, tokens, response_length, loss_mask, rollout_log_probs, weight_version, "
        + "weight_versions, mixed_kv, what was cached and handed over, by whom), then one of the whole (env, "
        + "samples, success, reward, turns_mean, seconds, tokens_per_second, ttft_ms_*, handoff_ms_*, "
        + "logprob_diff_score, ...); - is standard output.");

    private readonly Option<string> _environment = new("--env")
    {
        Description = "guess: a number from 0 to 31 in at most ten turns; arithmetic: one sum or difference.",
        DefaultValueFactory = _ => "guess",
        HelpName = "NAME",
    };

    private readonly Option<int> _samples = new("--samples")
    {
        Description = "Episodes in all; up to four of them, as many as divides it, share a task; "
            + "none at --temperature 0.",
        DefaultValueFactory = _ => 64,
        HelpName = "N",
    };

    public static Command Create()
    {
        RolloutVerb verb = new();
        Verb command = new("rollout", "Lets a model play against an environment, as an RL trainer would.")
        {
            Details = "Shows which worker computed and which decoded what, then rewards, speeds, and that "
                + "scoring anew gives the very log-probs. Without flags: pd-tiny on one prefill and one "
                + "decode worker, and every turn is handed over (--disaggregate always).",
            Examples =
            [
                "pdengine rollout",
                "pdengine rollout --env arithmetic --samples 16 --json samples.jsonl",
            ],
        };
        command.Options.Add(verb._environment);
        command.Options.Add(verb._samples);
        verb._output.AddTo(command);
        verb._sampling.AddTo(command);
        verb._engine.AddTo(command);
        command.SetAction((parsed, cancellation) =>
            CommandLine.GuardAsync(() => verb.RunAsync(parsed, cancellation)));
        return command;
    }

    private async Task<int> RunAsync(ParseResult parsed, CancellationToken cancellation)
    {
        IEnvironment environment = EngineFlags.Choice<IEnvironment>("--env",
            parsed.GetValue(_environment)!, ("guess", new GuessingGame()), ("arithmetic", new Arithmetic()));
        int count = BenchFlags.Within(parsed, _samples, 1, MaxSamples);
        _output.CheckJson(parsed);
        ulong seed = _engine.Seed(parsed);
        SamplingParams sampling = _sampling.Read(parsed, seed: null);
        RolloutSampling.Check(sampling);
        (Engine engine, ServedPlan? _) =
            await _engine.StartAsync(parsed, cancellation).ConfigureAwait(false);
        await using ConfiguredAsyncDisposable disposal = engine.ConfigureAwait(false);
        RolloutGames.ThrowIfOtherTokens(engine.Tokenizer);
        using RolloutRun run = new(engine.Models[0], new RolloutGames(environment, seed), count,
            sampling, seed);
        IAnsiConsole console = _output.Console(parsed);
        IRolloutView view = _output.IsTerminal(parsed) && console.Profile.Capabilities.Ansi
            ? new LiveRolloutView(console)
            : new LineRolloutView(console);
        RolloutOutcome outcome =
            await run.PlayAsync(environment.Name, view, cancellation).ConfigureAwait(false);
        if (!cancellation.IsCancellationRequested)
            outcome = await run.ScoreAsync(outcome, cancellation).ConfigureAwait(false);
        outcome.Tally.Routes.Print(console);
        RolloutResults.Print(console, outcome, engine.Tokenizer!);
        _output.WriteJson(parsed, target => RolloutJson.Write(target, outcome));
        cancellation.ThrowIfCancellationRequested();
        return Verdict(outcome);
    }

    private static int Verdict(RolloutOutcome outcome)
    {
        if (outcome.Samples.FirstOrDefault(sample => sample.Error is not null) is { } failed)
            Console.Error.WriteLine($"pdengine: a sample failed: {failed.Error!.Message}");
        else if (outcome.ScoreDifference is not (null or 0))
            Console.Error.WriteLine("pdengine: scoring anew gave other log-probs than the rollout");
        else
            return CommandLine.Done;
        return CommandLine.Failed;
    }
}
