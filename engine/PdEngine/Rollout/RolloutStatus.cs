namespace PdEngine;

/// <summary>How a rollout sample stands; slime's and Miles's names.</summary>
public enum RolloutStatus
{
    /// <summary>Not ended: it may be running, or wait to be gone on with.</summary>
    Pending,

    /// <summary>The model stopped, or the environment was done.</summary>
    Completed,

    /// <summary>It ran into a limit on tokens or turns.</summary>
    Truncated,

    /// <summary>It was aborted; what was made before is kept and can be gone on with.</summary>
    Aborted,

    /// <summary>A fault ended it; <see cref="RolloutSample.Error"/> says which.</summary>
    Failed,
}
