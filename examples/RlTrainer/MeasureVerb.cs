using System.CommandLine;

namespace PdEngine.Examples;

/// <summary><c>measure</c>: what a checkpoint can do.</summary>
internal sealed class MeasureVerb
{
    private const int EpisodeCount = 2048;

    private readonly MachineFlags _machine = new();
    private readonly Option<string> _model = new("--model")
    {
        Description = "Folder of the checkpoint.", DefaultValueFactory = _ => GrpoVerb.StandardModel,
        HelpName = "FOLDER",
    };

    public static Command Create()
    {
        MeasureVerb verb = new();
        Command command = new("measure", "Plays games and sums and recites greetings with a checkpoint.")
        {
            verb._model,
        };
        verb._machine.AddTo(command);
        command.SetAction(verb.Run);
        return command;
    }

    /// <summary>Plays every environment, greedily and by drawing.</summary>
    public static void Print(IPlayer player, TextWriter output)
    {
        output.WriteLine("| environment | draws | reward | success | turns |");
        output.WriteLine("|---|---|---|---|---|");
        foreach (IEnvironment environment in (IEnvironment[])[new GuessingGame(), new Arithmetic()])
        {
            foreach (float temperature in (float[])[0, 1])
            {
                bool isWhole = environment is GuessingGame && temperature == 0;
                int count = isWhole ? GuessingGame.Numbers : EpisodeCount;
                Skill skill = Skill.Measure(player, environment, count, temperature, seed: 7);
                string draws = temperature == 0 ? "greedy" : "sampled";
                output.WriteLine(
                    $"| {environment.Name} | {draws} | {skill.Reward:F3} | {skill.Success:P1} | "
                    + $"{skill.Turns:F2} |");
            }
        }
        output.WriteLine($"| greetings | greedy | | {Skill.Recited(player):P1} | |");
    }

    private int Run(ParseResult parsed)
    {
        using ICheckpoint checkpoint = Checkpoint.Open(parsed.GetValue(_model)!);
        using CpuBackend backend = _machine.Open(parsed);
        using LocalPlayer player = new(backend, checkpoint.Config);
        player.Load(checkpoint);
        Print(player, Console.Out);
        return 0;
    }
}
