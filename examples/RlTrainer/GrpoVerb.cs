using System.CommandLine;

namespace PdEngine.Examples;

/// <summary><c>grpo</c>: reinforcement learning from a supervised checkpoint.</summary>
internal sealed class GrpoVerb
{
    private static readonly GrpoRunOptions Standard = new();
    private static readonly IEnvironment[] Environments = [new GuessingGame(), new Arithmetic()];

    private static readonly (string Name, PauseMode Mode)[] Pauses =
        [("in_place", PauseMode.InPlace), ("retract", PauseMode.Retract)];

    private readonly MachineFlags _machine = new();
    private readonly PlayFlags _play = new();
    private readonly Option<string> _model = new("--model")
    {
        Description = "Folder of the checkpoint to start from; never written to.",
        DefaultValueFactory = _ => ModelPath.Tiny(), HelpName = "FOLDER",
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
        Description = "Most updates; no bound where --minutes is given alone.",
        DefaultValueFactory = _ => Standard.Steps, HelpName = "N",
    };

    private readonly Option<double?> _minutes = new("--minutes")
    {
        Description = "Ends the run in time.", HelpName = "M",
    };

    private readonly Option<double> _rate = new("--learning-rate")
    {
        Description = "The largest.", DefaultValueFactory = _ => Standard.LearningRate, HelpName = "X",
    };

    private readonly Option<double> _kl = new("--kl")
    {
        Description = "Weight of the divergence from the first checkpoint.", HelpName = "X",
    };

    private readonly Option<bool> _async = new("--async")
    {
        Description = "Plays while the trainer learns from what was played before.",
    };

    private readonly Option<int> _staleness = new("--max-staleness")
    {
        Description = "Of --async: how many updates behind a game may be when it is learned from.",
        DefaultValueFactory = _ => Standard.MaxStaleness, HelpName = "N",
    };

    private readonly Option<string> _pause = new("--pause-mode")
    {
        Description = "Of --async: whether games under way keep their K and V when weights are pushed "
            + "(in_place) or have them computed anew (retract).",
        DefaultValueFactory = _ => Pauses[0].Name, HelpName = "NAME",
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
            verb._async, verb._staleness, verb._pause, verb._seed, verb._json, verb._resume,
        };
        verb._machine.AddTo(command);
        verb._play.AddTo(command);
        command.SetAction((parsed, cancellation) => Task.Factory.StartNew(
            () => verb.Run(parsed, cancellation), CancellationToken.None, TaskCreationOptions.LongRunning,
            TaskScheduler.Default));
        return command;
    }

    private int Run(ParseResult parsed, CancellationToken cancellation)
    {
        string model = parsed.GetValue(_model)!;
        string folder = parsed.GetValue(_out)!;
        ThrowIfStart(folder, model);
        GrpoRunOptions options = RunOptions(parsed);
        IEnvironment environment = EnvironmentOf(parsed.GetValue(_environment)!);
        options.Check();
        GrpoOptions update = new(KlWeight: parsed.GetValue(_kl));
        update.Check();
        int cores = _machine.ThreadCount(parsed);
        using ICheckpoint checkpoint = Checkpoint.Open(model);
        ModelFolder.CopyTiny(model, folder);
        // What runs at the same time gets cores of its own.
        int trainerCores = options.IsAsync ? Math.Max(1, cores / 2) : cores;
        using CpuBackend backend = _machine.Open(parsed, trainerCores);
        using Trainer trainer =
            new(checkpoint.Config, backend, backend, GrpoRun.Optimiser, backend.ThreadCount);
        trainer.Read(checkpoint);
        bool resumes = parsed.GetValue(_resume);
        int firstStep = resumes ? ModelFolder.ReadState(folder, trainer) : 0;
        EngineOptions play = _play.Read(
            parsed, model, options.IsAsync ? Math.Max(1, cores - trainerCores) : cores,
            update.KlWeight == 0 ? null : folder) with { Isa = _machine.Isa(parsed) };
        using StreamWriter? json = parsed.GetValue(_json) is { } path ? new(path, resumes) : null;
        RunFiles files = new(folder, json, trainer, options.CheckpointSteps, firstStep);
        Engine engine = Engine.StartAsync(play, CancellationToken.None).GetAwaiter().GetResult();
        try
        {
            EngineModel? reference = update.KlWeight == 0 ? null : engine.GetModel(PlayPlan.Reference);
            GrpoRun run = new(trainer, engine.Models[0], reference, environment, options, update);
            files.Save(run.Run(firstStep, files.Add, cancellation));
            if (cancellation.IsCancellationRequested)
                return 1;
            MeasureVerb.PrintAsync(engine.Models[0], Console.Out).GetAwaiter().GetResult();
            return 0;
        }
        finally
        {
            engine.DisposeAsync().AsTask().GetAwaiter().GetResult();
        }
    }

    /// <summary>Runs start from these checkpoints; none may lead back into one.</summary>
    private static void ThrowIfStart(string folder, string model)
    {
        foreach (string start in (string[])[model, ModelPath.Tiny()])
        {
            if (ModelPath.AreSame(start, folder))
                throw new OptionsException("--out", $"'{folder}' is the model to start from");
        }
    }

    private GrpoRunOptions RunOptions(ParseResult parsed) => Standard with
    {
        Steps = parsed.GetValue(_minutes) is not null && parsed.GetResult(_steps) is { Implicit: true }
            ? int.MaxValue
            : parsed.GetValue(_steps),
        Minutes = parsed.GetValue(_minutes),
        LearningRate = parsed.GetValue(_rate), Seed = parsed.GetValue(_seed),
        IsAsync = parsed.GetValue(_async), MaxStaleness = parsed.GetValue(_staleness),
        PauseMode = PauseOf(parsed.GetValue(_pause)!),
    };

    private static PauseMode PauseOf(string name)
    {
        int index = Array.FindIndex(Pauses, pause => pause.Name == name);
        return index >= 0
            ? Pauses[index].Mode
            : throw new OptionsException(
                "--pause-mode", $"there is no mode '{name}'; in_place and retract are");
    }

    private static IEnvironment EnvironmentOf(string name) =>
        Array.Find(Environments, environment => environment.Name == name)
        ?? throw new OptionsException("--env", $"there is no environment '{name}'; guess and arithmetic are");
}
