using System.CommandLine;
using PdEngine.Bench;

namespace PdEngine.Host;

/// <summary>The flags of verbs that run a topology: which plan, which service, and how it is run.</summary>
/// <param name="splitsByDefault">
/// Without flags that say otherwise, one worker prefills, one decodes, and every prompt is handed over.
/// </param>
internal sealed class PlanFlags(bool splitsByDefault = false)
{
    private readonly TopologyOptions _topology = new();

    private readonly HandoffFlags _handoff = new();

    public void AddTo(Command verb)
    {
        _topology.AddTo(verb);
        _handoff.AddTo(verb);
    }

    /// <summary>The plan that the flags ask for; null where none of them shapes one.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="checkpoint">--model, or null.</param>
    /// <param name="coreCount">Cores that may compute.</param>
    /// <param name="seed">Seed of random weights.</param>
    /// <param name="everyService">All services are to be started, unless one is named.</param>
    public ServedPlan? Resolve(
        ParseResult parsed, string? checkpoint, int coreCount, ulong seed, bool everyService = false)
    {
        if (!splitsByDefault && !_topology.IsGiven(parsed))
        {
            _handoff.RefuseAlwaysWithoutPrefill(parsed, null);
            return null;
        }
        TopologyFlags flags = _topology.Read(parsed, null, checkpoint, coreCount);
        if (splitsByDefault && flags is { SglangConfig: null, PrefillNumServers: null })
        {
            int devices = flags.RolloutNumGpus ?? 2 * flags.RolloutNumGpusPerEngine;
            flags = flags with { PrefillNumServers = 1, RolloutNumGpus = devices };
        }
        Topology plan = Topology.Resolve(flags);
        ServedModel service = plan.Service(_topology.Service(parsed));
        PlanChecks.ThrowIfNotYet(plan, service);
        _handoff.RefuseAlwaysWithoutPrefill(parsed, service);
        string path = service.ModelPath ?? DefaultModel.Name;
        ServedModel loaded = service with { ModelPath = RandomModel.Resolve(path, seed) };
        Topology resolved = plan with
        {
            Models = [.. plan.Models.Select(model => model == service ? loaded
                : everyService && model.ModelPath is { } other
                    ? model with { ModelPath = RandomModel.Resolve(other, seed) }
                    : model)],
        };
        return new ServedPlan(resolved, loaded);
    }

    /// <summary>The options, with how a plan is run.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="options">Without them.</param>
    /// <param name="plan">Or null.</param>
    /// <param name="everyService">All services are started, unless one is named.</param>
    public EngineOptions Join(
        ParseResult parsed, EngineOptions options, ServedPlan? plan, bool everyService = false) =>
        options with
    {
        Topology = plan?.Topology,
        Services = plan is null ? []
            : everyService && _topology.Service(parsed) is null ? [plan.Service.Name, .. Others(plan)]
            : [plan.Service.Name],
        Disaggregate = splitsByDefault && plan!.Service.IsDisaggregated && !_handoff.HasMode(parsed)
            ? DisaggregateMode.Always
            : _handoff.Mode(parsed),
        KvDomain = _handoff.KvDomain(parsed),
        LendsCores = _handoff.LendsCores(parsed),
    };

    private static IEnumerable<string> Others(ServedPlan plan) => plan.Topology.Models
        .Where(model => model.Name != plan.Service.Name && model.Groups.Any(group => group.Workers.Count > 0))
        .Select(model => model.Name);
}
