using System.CommandLine;
using PdEngine.Bench;

namespace PdEngine.Host;

/// <summary><c>pdengine bench rollout</c>: samples of few prompts against samples of many.</summary>
internal sealed class BenchRolloutVerb
{
    private const int QuickSamples = 16;
    private const int QuickPromptTokens = 96;
    private const int QuickTokens = 8;

    private readonly Option<int> _samples = new("--samples")
    {
        Description = "Samples of each arm.", DefaultValueFactory = _ => 64, HelpName = "N",
    };

    private readonly Option<string> _each = new("--samples-per-prompt")
    {
        Description = "An arm each; the others are compared with the first.",
        DefaultValueFactory = _ => "1,8",
        HelpName = "LIST",
    };

    private readonly Option<int> _prompt = new("--prompt-tokens")
    {
        Description = "Tokens of a prompt.", DefaultValueFactory = _ => 512, HelpName = "N",
    };

    private readonly Option<int> _tokens = new("--tokens")
    {
        Description = "Tokens of a sample.", DefaultValueFactory = _ => 64, HelpName = "N",
    };

    private readonly BenchShape _shape = new(
        "smollm2-135m", "Few samples of the tiny shape where flags do not say otherwise");
    private readonly BenchFlags _flags = new(defaultRepeats: 1, hasPeer: false);

    public static Command Create()
    {
        BenchRolloutVerb verb = new();
        Verb command = new(
            "rollout",
            "As many samples, of one a prompt against several, each from a cold start.")
        {
            Examples = ["pdengine bench rollout --samples-per-prompt 1,8"],
        };
        foreach (Option option in new Option[]
            { verb._samples, verb._each, verb._prompt, verb._tokens })
        {
            command.Options.Add(option);
        }
        verb._shape.AddTo(command);
        verb._flags.AddTo(command);
        command.SetAction((parsed, cancellation) =>
            CommandLine.GuardAsync(() => verb.RunAsync(parsed, cancellation)));
        return command;
    }

    private async Task<int> RunAsync(ParseResult parsed, CancellationToken cancellation)
    {
        bool isQuick = _shape.IsQuick(parsed);
        RolloutBenchSettings settings = new()
        {
            Isa = _flags.Isa(parsed), Threads = _flags.Threads(parsed),
            Samples = Count(parsed, _samples, 4096, isQuick, QuickSamples),
            SamplesPerPrompt = BenchFlags.Numbers(_each.Name, parsed.GetValue(_each)!, 1, 4096),
            PromptTokens = Count(parsed, _prompt, 1 << 16, isQuick, QuickPromptTokens),
            SampleTokens = Count(parsed, _tokens, 1 << 16, isQuick, QuickTokens),
            Repeats = _flags.Repeats(parsed), ProbeMilliseconds = isQuick ? 5 : 150,
        };
        if (settings.SamplesPerPrompt.FirstOrDefault(each => settings.Samples % each != 0) is > 0 and int odd)
        {
            throw new OptionsException(
                _each.Name, $"{odd} samples a prompt do not divide {settings.Samples} samples");
        }
        string shape = _shape.Name(parsed);
        string path = RandomModel.OfShape(shape);
        _flags.CheckJson(parsed);
        RolloutBench bench = new(settings, Console.Error.WriteLine);
        IReadOnlyList<RolloutRow> rows = await bench.RunAsync(path, cancellation).ConfigureAwait(false);
        string title = $"{shape}, {rows[0].Isa}, {settings.Threads} threads, {settings.Samples} samples of "
            + $"{settings.SampleTokens} tokens";
        return _flags.Report(
            parsed, console => RolloutReport.Print(console, title, rows),
            target => RolloutReport.WriteJson(target, rows));
    }

    /// <summary>What is given counts; --quick only changes what is not.</summary>
    private static int Count(ParseResult parsed, Option<int> option, int most, bool isQuick, int quick)
    {
        int given = BenchFlags.Within(parsed, option, 1, most);
        return isQuick && parsed.GetResult(option) is not { Implicit: false } ? quick : given;
    }
}
