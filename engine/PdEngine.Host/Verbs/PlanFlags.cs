using System.CommandLine;
using PdEngine.Bench;

namespace PdEngine.Host;

/// <summary>The flags of verbs that run a topology: which plan, which service, and how it is run.</summary>
internal sealed class PlanFlags
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
        if (!_topology.IsGiven(parsed))
        {
            _handoff.RefuseAlwaysWithoutPrefill(parsed, null);
            return null;
        }
        Topology plan = Topology.Resolve(_topology.Read(parsed, null, checkpoint, coreCount));
        ServedModel service = plan.Service(_topology.Service(parsed));
        PlanChecks.ThrowIfNotYet(plan, service);
        _handoff.RefuseAlwaysWithoutPrefill(parsed, service);
        if (service.ModelPath is not { } path)
        {
            throw new OptionsException("--model", $"no checkpoint was named for '{service.Name}'; give "
                + "--model, or model_path in the topology file");
        }
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
        Disaggregate = _handoff.Mode(parsed),
        KvDomain = _handoff.KvDomain(parsed),
        LendsCores = _handoff.LendsCores(parsed),
    };

    private static IEnumerable<string> Others(ServedPlan plan) => plan.Topology.Models
        .Where(model => model.Name != plan.Service.Name && model.Groups.Any(group => group.Workers.Count > 0))
        .Select(model => model.Name);
}
