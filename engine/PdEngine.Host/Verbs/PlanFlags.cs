using System.CommandLine;
using PdEngine.Bench;

namespace PdEngine.Host;

/// <summary>The flags of verbs that run a topology: which plan, which service, and how it is run.</summary>
internal sealed class PlanFlags
{
    private readonly TopologyOptions _topology = new();

    private readonly Option<string> _disaggregate = new("--disaggregate")
    {
        Description = "Whether prompts are computed on prefill workers, where there are any: auto (where it "
            + "pays), always or never.",
        DefaultValueFactory = _ => "auto",
        HelpName = "WHEN",
    };

    private readonly Option<string> _kvDomain = new("--kv-domain")
    {
        Description = "host: one KV memory for all CPU devices, a hand-off moves no byte; device: one for "
            + "each, a hand-off copies.",
        DefaultValueFactory = _ => "host",
        HelpName = "KIND",
    };

    private readonly Option<bool> _noLending = new("--no-lend-cores")
    {
        Description = "Idle workers' cores do not help the busy ones.",
    };

    public void AddTo(Command verb)
    {
        _topology.AddTo(verb);
        verb.Options.Add(_disaggregate);
        verb.Options.Add(_kvDomain);
        verb.Options.Add(_noLending);
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
            RefuseAlwaysWithoutPrefill(parsed, null);
            return null;
        }
        Topology plan = Topology.Resolve(_topology.Read(parsed, null, checkpoint, coreCount));
        ServedModel service = plan.Service(_topology.Service(parsed));
        PlanChecks.ThrowIfNotYet(plan, service);
        RefuseAlwaysWithoutPrefill(parsed, service);
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
        Disaggregate = Mode(parsed),
        KvDomain = EngineFlags.Choice("--kv-domain", parsed.GetValue(_kvDomain)!,
            ("host", KvDomainKind.Host), ("device", KvDomainKind.Device)),
        LendsCores = !parsed.GetValue(_noLending),
    };

    private DisaggregateMode Mode(ParseResult parsed) => EngineFlags.Choice("--disaggregate",
        parsed.GetValue(_disaggregate)!, ("auto", DisaggregateMode.Auto),
        ("always", DisaggregateMode.Always), ("never", DisaggregateMode.Never));

    private void RefuseAlwaysWithoutPrefill(ParseResult parsed, ServedModel? service)
    {
        if (Mode(parsed) is DisaggregateMode.Always && service?.IsDisaggregated is not true)
        {
            throw new OptionsException("--disaggregate", "there are no prefill workers to compute prompts "
                + "on; give --prefill-num-servers N, or --sglang-config FILE with prefill and decode groups");
        }
    }
}
