using System.CommandLine;

namespace PdEngine.Host;

/// <summary>
/// How a plan is run: when prompts go to prefill workers, whose memory they go through, and who lends cores.
/// </summary>
internal sealed class HandoffFlags
{
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
        _disaggregate.CompletionSources.Add("auto", "always", "never");
        _kvDomain.CompletionSources.Add("host", "device");
        verb.Options.Add(_disaggregate);
        verb.Options.Add(_kvDomain);
        verb.Options.Add(_noLending);
    }

    /// <summary>Whether it was said when prompts go to prefill workers.</summary>
    public bool HasMode(ParseResult parsed) =>
        parsed.GetResult(_disaggregate) is { Implicit: false };

    public DisaggregateMode Mode(ParseResult parsed) => EngineFlags.Choice("--disaggregate",
        parsed.GetValue(_disaggregate)!, ("auto", DisaggregateMode.Auto),
        ("always", DisaggregateMode.Always), ("never", DisaggregateMode.Never));

    public KvDomainKind KvDomain(ParseResult parsed) => EngineFlags.Choice("--kv-domain",
        parsed.GetValue(_kvDomain)!, ("host", KvDomainKind.Host), ("device", KvDomainKind.Device));

    public bool LendsCores(ParseResult parsed) => !parsed.GetValue(_noLending);

    /// <summary>Fails where prompts must go to prefill workers and a service has none.</summary>
    /// <exception cref="OptionsException">It says what to give.</exception>
    public void RefuseAlwaysWithoutPrefill(ParseResult parsed, ServedModel? service)
    {
        if (Mode(parsed) is DisaggregateMode.Always && service?.IsDisaggregated is not true)
        {
            throw new OptionsException("--disaggregate", "there are no prefill workers to compute prompts "
                + "on; give --prefill-num-servers N, or --sglang-config FILE with prefill and decode groups");
        }
    }
}
