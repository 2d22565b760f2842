using System.CommandLine;

namespace PdEngine.Examples;

/// <summary><c>supervised</c>: makes pd-tiny.</summary>
internal sealed class SupervisedVerb
{
    private static readonly SupervisedOptions Standard = new();

    private readonly MachineFlags _machine = new();
    private readonly Option<string> _out = new("--out")
    {
        Description = "Folder to write the checkpoint to.", Required = true, HelpName = "FOLDER",
    };

    private readonly Option<int> _steps = new("--steps")
    {
        Description = "Updates.", DefaultValueFactory = _ => Standard.Steps, HelpName = "N",
    };

    private readonly Option<int> _seed = new("--seed")
    {
        Description = "Of the first weights and of all batches.", DefaultValueFactory = _ => Standard.Seed,
        HelpName = "N",
    };

    public static Command Create()
    {
        SupervisedVerb verb = new();
        Command command = new("supervised", "Pre-trains pd-tiny on games, sums and greetings.")
        {
            verb._out, verb._steps, verb._seed,
        };
        verb._machine.AddTo(command);
        command.SetAction((parsed, cancellation) => Task.Factory.StartNew(
            () => verb.Run(parsed, cancellation), CancellationToken.None, TaskCreationOptions.LongRunning,
            TaskScheduler.Default));
        return command;
    }

    private int Run(ParseResult parsed, CancellationToken cancellation)
    {
        string folder = parsed.GetValue(_out)!;
        SupervisedOptions options = Standard with
        {
            Steps = parsed.GetValue(_steps), Seed = parsed.GetValue(_seed),
        };
        options.Check();
        ModelConfig config = HfConfig.Parse("config.json", ModelFolder.TinyConfig());
        using CpuBackend backend = _machine.Open(parsed);
        using Trainer trainer = new(config, backend, backend, SupervisedRun.Optimiser, backend.ThreadCount);
        Console.WriteLine($"{trainer.Layout.Count} parameters on {backend.Name}");
        SupervisedRun.Initialise(trainer, options.Seed);
        SupervisedRun.Train(trainer, options, Console.Out, cancellation);
        ModelFolder.WriteTiny(folder);
        ModelFolder.WriteWeights(folder, trainer);
        MeasureAsync(folder, _machine.Isa(parsed), backend.ThreadCount).GetAwaiter().GetResult();
        return 0;
    }

    private static async Task MeasureAsync(string folder, CpuIsa isa, int coreCount)
    {
        TopologyFlags flags = new() { HfCheckpoint = folder, PrefillNumServers = 1, CoreCount = coreCount };
        EngineOptions options = PlayPlan.Options(flags, hasReference: false) with
        {
            Isa = isa, ThreadCount = coreCount,
        };
        await using Engine engine = await Engine.StartAsync(options);
        await MeasureVerb.PrintAsync(engine.Models[0], Console.Out);
    }
}
