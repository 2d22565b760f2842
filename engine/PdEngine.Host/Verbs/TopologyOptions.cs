using System.CommandLine;

namespace PdEngine.Host;

/// <summary>The flags that shape a topology, for every verb that takes one.</summary>
internal sealed class TopologyOptions
{
    private readonly Option<string?> _config = new("--sglang-config")
    {
        Description = "Topology file of slime or Miles: services, server groups and their overrides; absent: "
            + "one service. For all groups --sglang-NAME VALUE sets any server argument of SGLang.",
        HelpName = "FILE",
    };

    private readonly Option<int?> _prefillServers = new("--prefill-num-servers")
    {
        Description = "Prefill workers of a plan without a file; the other devices decode; absent: "
            + "none, workers do both.", HelpName = "N",
    };

    private readonly Option<int?> _devices = new("--rollout-num-gpus")
    {
        Description = "Devices of all groups; absent: the file's sum, or what this machine has.",
            HelpName = "N",
    };

    private readonly Option<int> _devicesPerWorker = new("--rollout-num-gpus-per-engine")
    {
        Description = "Devices of a worker whose group does not say.", DefaultValueFactory = _ => 1,
            HelpName = "N",
    };

    private readonly Option<string> _routerPolicy = new("--router-policy", "--sglang-router-policy")
    {
        Description = "cache_aware, round_robin, random, power_of_two, consistent_hashing, prefix_hash, "
            + "bucket "
            + "or manual.",
        DefaultValueFactory = _ => "cache_aware",
        HelpName = "NAME",
    };

    private readonly Option<string?> _prefillPolicy = new("--prefill-policy")
    {
        Description = "Policy among prefill workers; absent: the router's.", HelpName = "NAME",
    };

    private readonly Option<string?> _decodePolicy = new("--decode-policy")
    {
        Description = "Policy among decode workers; absent: the router's.", HelpName = "NAME",
    };

    private readonly Option<int> _concurrency = new("--sglang-server-concurrency")
    {
        Description = "Requests in flight per worker.", DefaultValueFactory = _ => 512, HelpName = "N",
    };

    private readonly Option<int> _timeoutSecs = new("--sglang-router-request-timeout-secs")
    {
        Description = "Seconds that a request may take.", DefaultValueFactory = _ => 14400, HelpName = "N",
    };

    private readonly Option<string?> _service = new("--service")
    {
        Description = "Service of the topology file; absent: the first that takes weight updates (topology "
            + "lists them all).",
        HelpName = "NAME",
    };

    private readonly SortedDictionary<string, Option> _overrides = new(StringComparer.Ordinal);

    public TopologyOptions()
    {
        foreach (OverrideRule rule in OverrideTable.All)
        {
            string name = $"sglang-{rule.Key.Replace('_', '-')}";
            if (RefusedFlags.Has(name))
                continue;
            // A switch is a bool option: it leaves the next word alone unless that is true or false.
            string[] longNames = [.. OverrideTable.LongNamesOf(rule.Key).Select(
                key => $"--sglang-{key.Replace('_', '-')}")];
            _overrides.Add(rule.Key, rule.Kind switch
            {
                OverrideKind.Bool => new Option<bool>($"--{name}") { Hidden = true },
                OverrideKind.List => new Option<string[]>($"--{name}")
                {
                    Hidden = true, AllowMultipleArgumentsPerToken = true,
                },
                _ => new Option<string>($"--{name}", longNames) { Hidden = true },
            });
        }
    }

    private IEnumerable<Option> All => new Option[]
    {
        _config, _prefillServers, _devices, _devicesPerWorker, _routerPolicy, _prefillPolicy, _decodePolicy,
        _concurrency, _timeoutSecs, _service,
    }.Concat(_overrides.Values);

    public void AddTo(Command verb)
    {
        foreach (Option option in All)
            verb.Options.Add(option);
    }

    /// <summary>Whether any of them was given.</summary>
    public bool IsGiven(ParseResult parsed) =>
        All.Any(option => parsed.GetResult(option) is { Implicit: false });

    /// <summary>The service that was named, or null.</summary>
    public string? Service(ParseResult parsed) => parsed.GetValue(_service);

    /// <summary>The flags as given.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="file">A topology file given without a flag, or null.</param>
    /// <param name="checkpoint">The value of --hf-checkpoint, or null.</param>
    /// <param name="coreCount">Cores that may compute.</param>
    public TopologyFlags Read(ParseResult parsed, string? file, string? checkpoint, int coreCount)
    {
        string? config = parsed.GetValue(_config);
        if (file is not null && config is not null)
            throw new OptionsException("--sglang-config", $"the file {file} was given too; give one "
                + "topology file");
        Dictionary<string, string> overrides = [];
        foreach ((string key, Option option) in _overrides)
        {
            if (parsed.GetResult(option) is not { Implicit: false } result)
                continue;
            string[] words = [.. result.Tokens.Select(token => token.Value)];
            overrides.Add(key, words.Length == 0 ? "true" : string.Join(", ", words));
        }
        return new TopologyFlags
        {
            SglangConfig = config ?? file,
            PrefillNumServers = parsed.GetValue(_prefillServers),
            RolloutNumGpus = parsed.GetValue(_devices),
            RolloutNumGpusPerEngine = parsed.GetValue(_devicesPerWorker),
            HfCheckpoint = checkpoint,
            RouterPolicy = parsed.GetValue(_routerPolicy)!,
            PrefillPolicy = parsed.GetValue(_prefillPolicy),
            DecodePolicy = parsed.GetValue(_decodePolicy),
            ServerConcurrency = parsed.GetValue(_concurrency),
            RequestTimeoutSecs = parsed.GetValue(_timeoutSecs),
            Overrides = overrides,
            CoreCount = coreCount,
        };
    }
}
