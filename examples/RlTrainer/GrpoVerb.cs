using System.CommandLine;

namespace PdEngine.Examples;

/// <summary><c>grpo</c>: reinforcement learning from a supervised checkpoint.</summary>
internal sealed class GrpoVerb
{
    public const string StandardModel = "models/pd-tiny";

    private static readonly GrpoRunOptions Standard = new();
    private static readonly IEnvironment[] Environments = [new GuessingGame(), new Arithmetic()];

    private readonly MachineFlags _machine = new();
    private readonly Option<string> _model = new("--model")
    {
        Description = "Folder of the checkpoint to start from; never written to.",
        DefaultValueFactory = _ => StandardModel, HelpName = "FOLDER",
    };

    private readonly Option<string> _out = new("--out")
    {
        Description = "Folder for checkpoints and curves.", DefaultValueFactory = _ => "grpo-out",
        HelpName = "FOLDER",
    };

    private readonly Option<string> _environment = new("--env")
    {
        Description = "guess or arithmetic.", DefaultValueFactory = _ => Environments[0].Name,
    };

    private readonly Option<int> _steps = new("--steps")
    {
        Description = "Most updates.", DefaultValueFactory = _ => Standard.Steps, HelpName = "N",
    };

    private readonly Option<double?> _minutes = new("--minutes")
    {
        Description = "Ends the run in time, however many steps that is.", HelpName = "M",
    };

    private readonly Option<double> _rate = new("--learning-rate")
    {
        Description = "The largest.", DefaultValueFactory = _ => Standard.LearningRate, HelpName = "X",
    };

    private readonly Option<double> _kl = new("--kl")
    {
        Description = "Weight of the divergence from the first checkpoint.", HelpName = "X",
    };

    private readonly Option<int> _seed = new("--seed")
    {
        Description = "Of tasks and draws.", DefaultValueFactory = _ => Standard.Seed, HelpName = "N",
    };

    private readonly Option<string?> _json = new("--json")
    {
        Description = "File for one JSON object a line and step.", HelpName = "FILE",
    };

    private readonly Option<bool> _resume = new("--resume")
    {
        Description = "Goes on from the state in --out.",
    };

    public static Command Create()
    {
        GrpoVerb verb = new();
        Command command = new("grpo", "Learns an environment by GRPO: rolls out, trains, pushes.")
        {
            verb._model, verb._out, verb._environment, verb._steps, verb._minutes, verb._rate, verb._kl,
            verb._seed, verb._json, verb._resume,
        };
        verb._machine.AddTo(command);
        command.SetAction((parsed, cancellation) => Task.Factory.StartNew(
            () => verb.Run(parsed, cancellation), CancellationToken.None, TaskCreationOptions.LongRunning,
            TaskScheduler.Default));
        return command;
    }

    private int Run(ParseResult parsed, CancellationToken cancellation)
    {
        string model = parsed.GetValue(_model)!;
        string folder = parsed.GetValue(_out)!;
        if (Path.GetFullPath(model) == Path.GetFullPath(folder))
            throw new OptionsException("--out", $"'{folder}' is the model to start from");
        IEnvironment environment = EnvironmentOf(parsed.GetValue(_environment)!);
        using ICheckpoint checkpoint = Checkpoint.Open(model);
        using CpuBackend backend = _machine.Open(parsed);
        using Trainer trainer = Start(checkpoint, backend);
        double klWeight = parsed.GetValue(_kl);
        using Trainer? reference = klWeight == 0 ? null : Start(checkpoint, backend);
        bool resumes = parsed.GetValue(_resume);
        int firstStep = resumes ? ModelFolder.ReadState(folder, trainer) : 0;
        ModelFolder.CopyTiny(model, folder);
        using LocalPlayer player = new(backend, checkpoint.Config);
        GrpoRunOptions options = Standard with
        {
            Steps = parsed.GetValue(_steps), Minutes = parsed.GetValue(_minutes),
            LearningRate = parsed.GetValue(_rate), Seed = parsed.GetValue(_seed),
        };
        GrpoRun run = new(
            trainer, player, environment, options, new GrpoOptions(KlWeight: klWeight), reference);
        using StreamWriter? json = parsed.GetValue(_json) is { } path ? new(path, resumes) : null;
        List<GrpoProgress> steps = [];
        int done = run.Run(firstStep, Report, cancellation);
        Save(folder, trainer, done, steps);
        if (cancellation.IsCancellationRequested)
            return 1;
        MeasureVerb.Print(player, Console.Out);
        return 0;

        void Report(GrpoProgress progress)
        {
            steps.Add(progress);
            Console.WriteLine(ProgressFiles.TextLine(progress));
            json?.WriteLine(ProgressFiles.JsonLine(progress));
            json?.Flush();
            if (progress.Step % options.CheckpointSteps == 0)
                Save(folder, trainer, progress.Step, steps);
        }
    }

    private static Trainer Start(ICheckpoint checkpoint, CpuBackend backend)
    {
        Trainer trainer =
            new(checkpoint.Config, backend, backend, GrpoRun.Optimiser, backend.ThreadCount);
        trainer.Read(checkpoint);
        return trainer;
    }

    private static void Save(string folder, Trainer trainer, int step, List<GrpoProgress> steps)
    {
        ModelFolder.WriteWeights(folder, trainer);
        ModelFolder.WriteState(folder, trainer, step);
        File.WriteAllText(Path.Combine(folder, "curves.svg"), ProgressFiles.Curves(steps));
    }

    private static IEnvironment EnvironmentOf(string name) =>
        Array.Find(Environments, environment => environment.Name == name)
        ?? throw new OptionsException("--env", $"there is no environment '{name}'; guess and arithmetic are");
}
