using System.CommandLine;

namespace PdEngine.Examples;

/// <summary><c>measure</c>: what a checkpoint can do.</summary>
internal sealed class MeasureVerb
{
    private const int EpisodeCount = 2048;

    private readonly MachineFlags _machine = new();
    private readonly PlayFlags _play = new();
    private readonly Option<string> _model = new("--model")
    {
        Description = "Folder of the checkpoint.", DefaultValueFactory = _ => ModelPath.Tiny(),
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
        verb._play.AddTo(command);
        command.SetAction(verb.RunAsync);
        return command;
    }

    /// <summary>Plays every environment, greedily and by drawing.</summary>
    public static async Task PrintAsync(EngineModel model, TextWriter output)
    {
        output.WriteLine("| environment | draws | reward | success | turns |");
        output.WriteLine("|---|---|---|---|---|");
        foreach (IEnvironment environment in (IEnvironment[])[new GuessingGame(), new Arithmetic()])
        {
            foreach (float temperature in (float[])[0, 1])
            {
                bool isWhole = environment is GuessingGame && temperature == 0;
                int count = isWhole ? GuessingGame.Numbers : EpisodeCount;
                Skill skill = await Skill.MeasureAsync(model, environment, count, temperature);
                string draws = temperature == 0 ? "greedy" : "sampled";
                output.WriteLine(
                    $"| {environment.Name} | {draws} | {skill.Reward:F3} | {skill.Success:P1} | "
                    + $"{skill.Turns:F2} |");
            }
        }
        output.WriteLine($"| greetings | greedy | | {await Skill.RecitedAsync(model):P1} | |");
    }

    private async Task<int> RunAsync(ParseResult parsed, CancellationToken cancellation)
    {
        EngineOptions options = _play.Read(
            parsed, parsed.GetValue(_model)!, _machine.ThreadCount(parsed)) with
        {
            Isa = _machine.Isa(parsed),
        };
        await using Engine engine = await Engine.StartAsync(options, cancellation);
        await PrintAsync(engine.Models[0], Console.Out);
        return 0;
    }
}
