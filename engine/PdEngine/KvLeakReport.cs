namespace PdEngine;

/// <summary>
/// Who holds KV blocks at about one moment. Where no request is live, everything but the cached blocks must
/// be zero; the engine checks that itself each time the last holder of a domain lets go.
/// </summary>
public sealed record KvLeakReport
{
    /// <summary>Requests that have not ended.</summary>
    public required int LiveRequests { get; init; }

    /// <summary>Sequences, and prompts on their way, that hold blocks.</summary>
    public required int Holders { get; init; }

    /// <summary>Blocks that only the prefix caches hold, or could give back.</summary>
    public required int EvictableBlocks { get; init; }

    /// <summary>Blocks that a failed worker's step may still write into; out of use until it ends.</summary>
    public required int QuarantinedBlocks { get; init; }

    /// <summary>Blocks charged to the quota of some worker.</summary>
    public required int ChargedBlocks { get; init; }

    /// <summary>Something is held though no request is live.</summary>
    public bool HasLeak => LiveRequests == 0 && (Holders > 0 || ChargedBlocks > 0);
}
