namespace PdEngine;

/// <summary>
/// The engine broke one of its own rules: a bug, never a fault of the caller or of the world.
/// </summary>
public sealed class InvariantException : Exception
{
    /// <summary>Makes the exception.</summary>
    /// <param name="rule">The condition that did not hold.</param>
    public InvariantException(string rule)
        : base($"Invariant broken: {rule}")
    {
    }
}
