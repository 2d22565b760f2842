using System.CommandLine;
using Spectre.Console;

namespace PdEngine.Host;

/// <summary>
/// <c>pdengine topology</c>: the plan that a topology file and flags resolve to, without opening weights.
/// </summary>
internal sealed class TopologyVerb
{
    public const string Name = "topology";

    private readonly TopologyOptions _flags = new();
    private readonly HandoffFlags _handoff = new();

    // A list, so that an unknown flag lands here with its value and is refused with its reason.
    private readonly Argument<string[]> _words = new("FILE")
    {
        Description = "Topology file, as --sglang-config.", Arity = ArgumentArity.ZeroOrMore,
    };

    private readonly Option<string?> _checkpoint = new("--hf-checkpoint", "--model", "-m")
    {
        Description = "Checkpoint of services that name none, which is not opened; absent: none.",
        HelpName = "PATH",
    };

    private readonly Option<bool> _json = new("--json") { Description = "Prints the plan as JSON." };

    public static Command Create()
    {
        TopologyVerb verb = new();
        Verb command = new(Name, "Checks a topology file of slime or Miles and prints its plan.")
        {
            Details = "The plan has services, server groups, devices, settings, and what is not there yet. "
                + "No weights are opened. Every SGLang server argument may be given for all groups as "
                + "--sglang-NAME VALUE; a group's own overrides go before it.",
            Examples =
            [
                "pdengine topology plan.yaml --model Qwen3-0.6B/",
                "pdengine topology --prefill-num-servers 1 --rollout-num-gpus 4 --json",
            ],
        };
        command.Arguments.Add(verb._words);
        command.Options.Add(verb._checkpoint);
        command.Options.Add(verb._json);
        verb._flags.AddTo(command);
        verb._handoff.AddTo(command);
        command.SetAction(parsed => CommandLine.GuardAsync(() => Task.FromResult(verb.Run(parsed))));
        return command;
    }

    private int Run(ParseResult parsed)
    {
        Topology plan = Topology.Resolve(_flags.Read(
            parsed, File(parsed), parsed.GetValue(_checkpoint), Environment.ProcessorCount));
        PlanChecks.ThrowIfNeverServed(plan);
        _handoff.RefuseAlwaysWithoutPrefill(parsed, plan.Service(_flags.Service(parsed)));
        _handoff.KvDomain(parsed);
        if (_flags.Service(parsed) is { } name)
            plan = Only(plan, plan.Service(name));
        foreach (TopologyWarning warning in plan.Warnings)
            Console.Error.WriteLine("pdengine: "
                + $"{(warning.Line is { } line ? $"line {line}: " : "")}{warning.Text}");
        if (parsed.GetValue(_json))
        {
            using Stream output = Console.OpenStandardOutput();
            TopologyReport.WriteJson(output, plan);
        }
        else
        {
            IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings
            {
                Out = new AnsiConsoleOutput(Console.Out),
            });
            // A pipe has no width to fold the columns to.
            if (Console.IsOutputRedirected)
                console.Profile.Width = 220;
            TopologyReport.Print(console, plan);
        }
        return CommandLine.Done;
    }

    private static Topology Only(Topology plan, ServedModel service) => plan with
    {
        Models = [service], NotYet = [.. plan.NotYet.Where(item => item.Service == service.Name)],
    };

    private string? File(ParseResult parsed)
    {
        string[] words = parsed.GetValue(_words) ?? [];
        return words.Length <= 1 ? words.FirstOrDefault()
            : throw new OptionsException("FILE", $"{words.Length} files were given; a topology is one");
    }
}
