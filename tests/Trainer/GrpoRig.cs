using System.Text.Json.Nodes;
using PdEngine.Examples;

namespace PdEngine.Tests;

/// <summary>A trainer and the engine that plays for it, from one checkpoint.</summary>
internal sealed class GrpoRig : IAsyncDisposable
{
    private const int Seed = 9;
    private static readonly Lock Gate = new();

    private readonly TrainerRig _rig;

    private GrpoRig(TrainerRig rig, Engine engine) => (_rig, Engine) = (rig, engine);

    public Trainer Trainer => _rig.Trainer;

    public Engine Engine { get; }

    public EngineModel Model => Engine.Models[0];

    public static async Task<GrpoRig> StartAsync(
        string? folder = null, bool hasReference = false, TimeProvider? clock = null)
    {
        folder ??= TinyFolder();
        using ICheckpoint checkpoint = Checkpoint.Open(folder);
        TrainerRig rig = TrainerRig.AsEngine(checkpoint.Config, options: GrpoRun.Optimiser);
        rig.Trainer.Read(checkpoint);
        EngineOptions options = Options(folder, hasReference) with { Clock = clock ?? TimeProvider.System };
        return new(rig, await Engine.StartAsync(options));
    }

    /// <summary>One prefill and one decode worker, every prompt handed over.</summary>
    public static EngineOptions Options(string folder, bool hasReference = false)
    {
        TopologyFlags flags = new() { HfCheckpoint = folder, CoreCount = 2 };
        if (hasReference)
        {
            string plan = Path.Combine(TestFiles.Scratch($"plan-{Guid.NewGuid()}"), "topology.yaml");
            File.WriteAllText(plan, PlayPlan.WithReference(1, 1));
            flags = flags with { SglangConfig = plan };
        }
        else
            flags = flags with { PrefillNumServers = 1 };
        return PlayPlan.Options(flags, hasReference) with { ThreadCount = 2 };
    }

    /// <summary>pd-tiny with one layer and random weights.</summary>
    public static string TinyFolder()
    {
        lock (Gate)
        {
            string folder = Path.Combine(
                Path.GetTempPath(), "pdengine-tests", $"{Environment.ProcessId}", "grpo-tiny");
            if (Directory.Exists(folder))
                return folder;
            ModelFolder.WriteTiny(folder);
            JsonNode config = JsonNode.Parse(ModelFolder.TinyConfig())!;
            config["num_hidden_layers"] = 1;
            byte[] json = System.Text.Encoding.UTF8.GetBytes(config.ToJsonString());
            File.WriteAllBytes(Path.Combine(folder, "config.json"), json);
            using TrainerRig rig = TrainerRig.AsEngine(HfConfig.Parse("config.json", json));
            SupervisedRun.Initialise(rig.Trainer, Seed);
            ModelFolder.WriteWeights(folder, rig.Trainer);
            return folder;
        }
    }

    /// <summary>Runs GRPO on a thread of its own.</summary>
    /// <returns>Every step.</returns>
    public async Task<List<GrpoProgress>> RunAsync(
        IEnvironment environment, GrpoRunOptions options, double klWeight = 0, int firstStep = 0,
        int lastStep = int.MaxValue)
    {
        EngineModel? reference = klWeight == 0 ? null : Engine.GetModel(PlayPlan.Reference);
        GrpoRun run = new(Trainer, Model, reference, environment, options, new(KlWeight: klWeight));
        List<GrpoProgress> steps = [];
        using CancellationTokenSource stop = new();
        await Task.Factory.StartNew(
            () => run.Run(firstStep, Note, stop.Token), CancellationToken.None,
            TaskCreationOptions.LongRunning, TaskScheduler.Default);
        return steps;

        void Note(GrpoProgress progress)
        {
            steps.Add(progress);
            if (progress.Step == lastStep)
                stop.Cancel();
        }
    }

    public async ValueTask DisposeAsync()
    {
        await Engine.DisposeAsync();
        _rig.Dispose();
    }
}
