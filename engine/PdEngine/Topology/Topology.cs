namespace PdEngine;

/// <summary>The resolved plan: which services there are, and which devices each of their workers
/// owns.</summary>
public sealed record Topology
{
    /// <summary>The topology file as the caller named it; null where flags made the plan.</summary>
    public string? File { get; init; }

    /// <summary>The services, in order of the file.</summary>
    public required IReadOnlyList<ServedModel> Models { get; init; }

    /// <summary>Devices of all services, those that placeholders reserve included.</summary>
    public required int DeviceCount { get; init; }

    /// <summary>The checkpoint of services that name none; null where it was not given.</summary>
    public required string? HfCheckpoint { get; init; }

    /// <summary>Policy of the routers' prefill side.</summary>
    public required RouterPolicy PrefillPolicy { get; init; }

    /// <summary>Policy of the routers' decode side.</summary>
    public required RouterPolicy DecodePolicy { get; init; }

    /// <summary>Policy of routers over regular workers.</summary>
    public required RouterPolicy RouterPolicy { get; init; }

    /// <summary>Requests in flight per worker.</summary>
    public required int ServerConcurrency { get; init; }

    /// <summary>Seconds a request may take.</summary>
    public required int RequestTimeoutSecs { get; init; }

    /// <summary>What the plan asks for and the engine cannot do yet.</summary>
    public required IReadOnlyList<TopologyNotYet> NotYet { get; init; }

    /// <summary>What a reader should know.</summary>
    public required IReadOnlyList<TopologyWarning> Warnings { get; init; }

    /// <summary>Reads the file that the flags name, if any, and resolves the plan. Opens no
    /// weights.</summary>
    /// <param name="flags">The flags.</param>
    /// <returns>The plan.</returns>
    /// <exception cref="TopologyException">The file is at fault.</exception>
    /// <exception cref="OptionsException">A flag is at fault.</exception>
    public static Topology Resolve(TopologyFlags flags)
    {
        ArgumentNullException.ThrowIfNull(flags);
        if (flags.SglangConfig is { } && flags.PrefillNumServers is { })
        {
            throw new OptionsException("--prefill-num-servers",
                "cannot be combined with --sglang-config, which has prefill groups of its own; give one of "
                    + "the two");
        }
        TopologyFile? file = flags.SglangConfig is { } path ? TopologyFile.Load(path) : null;
        return new TopologyResolver(flags, file).Resolve();
    }

    /// <summary>A fault of the plan, at a line of its file or of the flags.</summary>
    internal PdEngineException Fault(int? line, string problem) => File is { } file
        ? new TopologyException(file, line, problem) : new OptionsException("topology flags", problem);

    /// <summary>The service of this name; without a name the first that takes weight updates, else the
    /// first.</summary>
    /// <param name="name">A name, or null.</param>
    /// <returns>The service.</returns>
    /// <exception cref="OptionsException">There is no service of that name.</exception>
    public ServedModel Service(string? name)
    {
        if (name is null)
            return Models.FirstOrDefault(model => model.UpdateWeights) ?? Models[0];
        return Models.FirstOrDefault(model => model.Name == name) ?? throw new OptionsException("--service",
            $"there is no service '{name}'; there are "
                + $"{string.Join(", ", Models.Select(model => model.Name))}");
    }
}
