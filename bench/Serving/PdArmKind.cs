namespace PdEngine.Bench;

/// <summary>Who serves in an arm.</summary>
internal enum PdArmKind
{
    /// <summary>One worker on all cores computes prompts and decodes, mixed in one batch.</summary>
    Colocated,

    /// <summary>A prefill and a decode worker, each on its own cores.</summary>
    Disaggregated,

    /// <summary>The same, and an idle worker's cores help the other.</summary>
    DisaggregatedLending,

    /// <summary>llama.cpp.</summary>
    Peer,
}
