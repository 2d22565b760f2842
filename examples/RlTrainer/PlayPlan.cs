namespace PdEngine.Examples;

/// <summary>An engine for many short games at once.</summary>
internal static class PlayPlan
{
    /// <summary>The service whose weights stay as they are.</summary>
    public const string Reference = "reference";

    /// <summary>Which prompts go to prefill workers.</summary>
    public const DisaggregateMode Disaggregate = DisaggregateMode.Always;

    /// <summary>Its options.</summary>
    /// <param name="flags">The plan's.</param>
    /// <param name="hasReference">Whether the plan's reference is to be started too.</param>
    public static EngineOptions Options(TopologyFlags flags, bool hasReference)
    {
        // A turn is read when it has ended: nobody looks at its tokens before.
        Dictionary<string, string> overrides = new(flags.Overrides) { ["stream_interval"] = "64" };
        Topology plan = Topology.Resolve(flags with { Overrides = overrides });
        return new()
        {
            ModelPath = flags.HfCheckpoint!,
            Topology = plan,
            Services = hasReference ? [plan.Service(null).Name, Reference] : [],
            Disaggregate = Disaggregate,
            // A turn is a few tokens long: with larger pages the next one would find nothing of it cached.
            PageSize = 8,
            MaxRunningRequests = 512,
            MaxTotalTokens = 1 << 16,
            ChunkedPrefillSize = 2048,
        };
    }

    /// <summary>A plan of players and a frozen reference that scores for them.</summary>
    public static string WithReference(int prefillWorkers, int decodeWorkers) => $$"""
        sglang:
          - name: actor
            server_groups:
              - {worker_type: prefill, num_gpus: {{prefillWorkers}}}
              - {worker_type: decode, num_gpus: {{decodeWorkers}}}
          - name: {{Reference}}
            update_weights: false
            server_groups:
              - {worker_type: regular, num_gpus: 1}

        """;
}
