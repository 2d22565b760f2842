namespace PdEngine;

/// <summary>How an update is applied.</summary>
public sealed record WeightUpdateOptions
{
    /// <summary>
    /// What becomes of requests in flight; absent: they are retracted, or where the service is paused
    /// already, what its pause made of them.
    /// </summary>
    public PauseMode? Mode { get; init; }

    /// <summary>
    /// Loads the new weights beside the old ones while those serve, and swaps; absent: where memory allows.
    /// Else the new ones overwrite the old ones while the service is paused. The memory of the old ones is
    /// kept for the next update, where it is not short, until <see cref="EngineModel.ReleaseMemoryAsync"/>.
    /// </summary>
    public bool? Stages { get; init; }

    /// <summary>
    /// The service is paused afterwards until <see cref="EngineModel.ContinueAsync"/>, whether it was before
    /// or not.
    /// </summary>
    public bool StaysPaused { get; init; }
}
