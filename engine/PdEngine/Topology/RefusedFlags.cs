namespace PdEngine;

/// <summary>Flags of slime and Miles that mean nothing inside one process, each with the reason.</summary>
internal static class RefusedFlags
{
    private const string External = "there are no external engines: every worker is a thread of this process";
    private const string Evaluation = "there is no fleet for evaluation: give evaluation a model of its own "
        + "in the "
        + "topology file";
    private const string Weights = "weights are updated by a call inside this process; no transport is to "
        + "be chosen";
    private const string Address = "nothing listens on a port or address: workers and router are in this "
        + "process";
    private const string Nodes = "one process runs on one machine; there are no nodes to count";
    private const string Health = "a worker's health is watched inside this process (see "
        + "--sglang-watchdog-timeout)";
    private const string Trainer = "this is a flag of the trainer, not of the engine; leave it with the "
        + "trainer";
    private const string Router = "the router is inside this process; only its policies and request timeout "
        + "are set";

    // The longest that fits counts; a name that ends in '-' stands for all that begin with it.
    private static readonly (string Name, string Reason)[] Reasons =
    [
        ("rollout-external", External), ("rollout-external-", External),
        ("eval-", Evaluation), ("update-weight-", Weights), ("update-weights-", Weights),
        ("check-weight-update-equal", Weights),
        ("sglang-host", Address), ("sglang-port", Address), ("sglang-nccl-port", Address),
        ("sglang-dist-init-addr", Address), ("sglang-disaggregation-bootstrap-port", Address),
        ("sglang-router-ip", Address), ("sglang-router-port", Address), ("sglang-router-host", Address),
        ("sglang-router-prometheus-port", Address), ("host", Address), ("port", Address),
        ("router-host", Address), ("router-port", Address), ("router-ip", Address),
        ("disaggregation-bootstrap-port", Address),
        ("sglang-router-", Router), ("use-slime-router", Router), ("use-miles-router", Router),
            ("slime-router-", Router),
        ("miles-router-", Router),
        ("sglang-nnodes", Nodes), ("sglang-node-rank", Nodes), ("num-gpus-per-node", Nodes),
        ("sglang-base-gpu-id", Nodes), ("rollout-num-nodes", Nodes),
        ("use-fault-tolerance", Health), ("rollout-health-check-", Health), ("ft-components", Health),
        ("colocate", Trainer), ("offload", Trainer), ("offload-", Trainer), ("release-train", Trainer),
        ("actor-", Trainer), ("critic-", Trainer), ("ref-", Trainer), ("train-", Trainer),
            ("megatron-", Trainer),
        ("over-sampling-", Trainer), ("dynamic-sampling-", Trainer), ("partial-rollout", Trainer),
        ("mask-offpolicy-", Trainer), ("fully-async", Trainer), ("max-weight-staleness", Trainer),
        ("async-", Trainer), ("pause-generation-mode", Trainer), ("true-on-policy-", Trainer),
        ("recompute-logprobs-", Trainer), ("use-rollout-", Trainer), ("rollout-batch-size", Trainer),
        ("rollout-", Trainer), ("global-batch-size", Trainer), ("n-samples-per-prompt", Trainer),
        ("num-rollout", Trainer), ("prompt-data", Trainer), ("load", Trainer), ("save", Trainer),
            ("save-", Trainer),
        ("ref-load", Trainer), ("lr", Trainer), ("lora-", Trainer), ("advantage-", Trainer),
            ("debug-", Trainer),
        ("custom-", Trainer), ("rm-", Trainer), ("wandb-", Trainer), ("use-wandb", Trainer),
            ("tensorboard-", Trainer),
        ("tensor-model-parallel-size", Trainer), ("pipeline-model-parallel-size", Trainer),
        ("session-server-", Trainer), ("use-session-server", Trainer),
    ];

    private static readonly string[] Known =
    [
        "sglang-config", "prefill-num-servers", "rollout-num-gpus", "rollout-num-gpus-per-engine",
            "hf-checkpoint",
        "model", "router-policy", "sglang-router-policy", "prefill-policy", "decode-policy",
        "sglang-server-concurrency", "sglang-router-request-timeout-secs", "service", "disaggregate",
            "kv-domain", "no-lend-cores", "json",
    ];

    /// <summary>What to say to a flag that is not one of the engine's.</summary>
    public static OptionsException Refusal(string word) =>
        Find(word) ?? new OptionsException(FlagOf(word), "there is no such flag");

    /// <summary>What is known of a flag that is not one of the engine's; null where nothing is.</summary>
    public static OptionsException? Find(string word)
    {
        string flag = FlagOf(word);
        string name = flag.TrimStart('-');
        string? reason = Reasons.Where(entry => entry.Name.EndsWith('-')
                ? name.StartsWith(entry.Name, StringComparison.Ordinal) : name == entry.Name)
            .OrderByDescending(entry => entry.Name.Length).Select(entry => entry.Reason).FirstOrDefault();
        string? near = NearestName.Of(name, Known, within: Math.Clamp(name.Length / 4, 1, 3));
        if (near is not null && (reason is null || reason == Router || (reason == Trainer && !Has(name))))
            return new OptionsException(flag, $"there is no such flag; did you mean '--{near}'?");
        if (reason is not null)
            return new OptionsException(flag, $"refused: {reason}");
        return name.StartsWith("sglang-", StringComparison.Ordinal)
            && FlagNear(name["sglang-".Length..].Replace('-', '_')) is { } meant
            ? new OptionsException(flag, $"there is no such flag; did you mean '{meant}'?")
            : null;
    }

    /// <summary>The flag of the override that an unknown name was meant to be, among those that are
    /// taken.</summary>
    private static string? FlagNear(string key)
    {
        string? near = OverrideTable.Nearest(key, rule => !Has($"sglang-{rule.Key.Replace('_', '-')}"));
        return near == "model_path" ? "--hf-checkpoint"
            : near is null ? null : $"--sglang-{near.Replace('_', '-')}";
    }

    private static string FlagOf(string word) => word.Split('=', 2)[0];

    /// <summary>Whether a flag is refused with a reason although an override has its name.</summary>
    public static bool Has(string name) => Reasons.Any(entry => entry.Name == name);
}
