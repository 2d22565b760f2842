namespace PdEngine;

/// <summary>What becomes of requests in flight where a service pauses.</summary>
public enum PauseMode
{
    /// <summary>They end with what they have.</summary>
    Abort,

    /// <summary>
    /// They give their KV blocks back, keep their tokens, and are computed anew afterwards.
    /// </summary>
    Retract,

    /// <summary>
    /// They stay where they are and go on with the K and V they have, even after an update: their later
    /// tokens then come from K and V of several versions (<see cref="Generation.HasMixedKv"/>). Prompts whose
    /// scoring is under way are retracted all the same.
    /// </summary>
    InPlace,
}
