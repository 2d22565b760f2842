using System.CommandLine;

namespace PdEngine.Examples;

/// <summary>The workers of the engine that plays: flags of the verbs that have one.</summary>
internal sealed class PlayFlags
{
    private const string PlanFile = "topology.yaml";

    private readonly Option<int> _prefillServers = new("--prefill-num-servers")
    {
        Description = "Prefill workers; the other devices decode.", DefaultValueFactory = _ => 1,
        HelpName = "N",
    };

    private readonly Option<int?> _devices = new("--rollout-num-gpus")
    {
        Description = "Devices of all workers; absent: the cores, but at least twice the prefill workers.",
        HelpName = "N",
    };

    private readonly Option<string?> _config = new("--sglang-config")
    {
        Description = $"Topology file instead; for --kl it has a service '{PlayPlan.Reference}'.",
        HelpName = "FILE",
    };

    private readonly Option<DisaggregateMode> _disaggregate = new("--disaggregate")
    {
        Description = "Which prompts go to prefill workers.",
        DefaultValueFactory = _ => PlayPlan.Disaggregate,
    };

    public void AddTo(Command command)
    {
        foreach (Option option in (Option[])[_prefillServers, _devices, _config, _disaggregate])
            command.Options.Add(option);
    }

    /// <summary>The options of an engine that plays with a model.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="model">Folder of the checkpoint.</param>
    /// <param name="coreCount">Cores of all workers together.</param>
    /// <param name="referenceFolder">
    /// Where a frozen reference is to score beside the players: takes the plan, where none is given. Else
    /// null.
    /// </param>
    public EngineOptions Read(
        ParseResult parsed, string model, int coreCount, string? referenceFolder = null)
    {
        TopologyFlags flags = new()
        {
            HfCheckpoint = model, CoreCount = coreCount, SglangConfig = parsed.GetValue(_config),
            RolloutNumGpus = parsed.GetValue(_devices),
        };
        int servers = parsed.GetValue(_prefillServers);
        if (flags.SglangConfig is null && referenceFolder is not null)
        {
            int devices = flags.RolloutNumGpus ?? Math.Max(coreCount, 2 * servers);
            string path = Path.Combine(referenceFolder, PlanFile);
            File.WriteAllText(path, PlayPlan.WithReference(servers, devices - servers));
            flags = flags with { SglangConfig = path, RolloutNumGpus = null };
        }
        else if (flags.SglangConfig is null || parsed.GetResult(_prefillServers) is { Implicit: false })
            flags = flags with { PrefillNumServers = servers };
        return PlayPlan.Options(flags, referenceFolder is not null) with
        {
            Disaggregate = parsed.GetValue(_disaggregate), ThreadCount = coreCount,
        };
    }
}
