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
    public ServedPlan? Resolve(ParseResult parsed, string? checkpoint, int coreCount, ulong seed)
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
            Models = [.. plan.Models.Select(model => model == service ? loaded : model)],
        };
        return new ServedPlan(resolved, loaded);
    }

    /// <summary>The options, with how a plan is run.</summary>
    public EngineOptions Join(ParseResult parsed, EngineOptions options, ServedPlan? plan) => options with
    {
        Topology = plan?.Topology,
        Services = plan is null ? [] : [plan.Service.Name],
        Disaggregate = _handoff.Mode(parsed),
        KvDomain = _handoff.KvDomain(parsed),
        LendsCores = _handoff.LendsCores(parsed),
    };
}
