namespace PdEngine;

/// <summary>A group whose samples run.</summary>
/// <param name="Group">What they are.</param>
/// <param name="Ending">The same group, when they and its rewards have ended.</param>
internal sealed record GroupRun(RolloutGroup Group, Task<RolloutGroup> Ending);
