namespace PdEngine;

/// <summary>The flags that shape a topology, as slime and Miles name them.</summary>
public sealed record TopologyFlags
{
    /// <summary><c>--sglang-config</c>: the topology file.</summary>
    public string? SglangConfig { get; init; }

    /// <summary><c>--prefill-num-servers</c>: prefill workers of the plan without a file.</summary>
    public int? PrefillNumServers { get; init; }

    /// <summary>
    /// <c>--rollout-num-gpus</c>: devices of all groups. Absent: the file's sum; with prefill servers the
    /// cores, but at least twice the prefill devices; else one worker's devices.
    /// </summary>
    public int? RolloutNumGpus { get; init; }

    /// <summary><c>--rollout-num-gpus-per-engine</c>: devices of a worker whose group does not say.</summary>
    public int RolloutNumGpusPerEngine { get; init; } = 1;

    /// <summary><c>--hf-checkpoint</c>: checkpoint of services that name none.</summary>
    public string? HfCheckpoint { get; init; }

    /// <summary><c>--router-policy</c>.</summary>
    public string RouterPolicy { get; init; } = "cache_aware";

    /// <summary><c>--prefill-policy</c>; absent: the router's.</summary>
    public string? PrefillPolicy { get; init; }

    /// <summary><c>--decode-policy</c>; absent: the router's.</summary>
    public string? DecodePolicy { get; init; }

    /// <summary><c>--sglang-server-concurrency</c>: requests in flight per worker.</summary>
    public int ServerConcurrency { get; init; } = 512;

    /// <summary><c>--sglang-router-request-timeout-secs</c>.</summary>
    public int RequestTimeoutSecs { get; init; } = 14400;

    /// <summary>
    /// <c>--sglang-NAME VALUE</c> for every group: names with underscores, values as on a command line.
    /// </summary>
    public IReadOnlyDictionary<string, string> Overrides { get; init; } = new Dictionary<string, string>();

    /// <summary>Cores that the process may compute on.</summary>
    public int CoreCount { get; init; } = 1;
}
