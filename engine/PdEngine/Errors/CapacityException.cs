namespace PdEngine;

/// <summary>
/// A request does not fit the engine as configured; the message gives both numbers.
/// </summary>
public sealed class CapacityException : PdEngineException
{
    /// <summary>Makes the exception.</summary>
    /// <param name="message">What was needed, what there is, and which option to change.</param>
    public CapacityException(string message)
        : base(message)
    {
    }

    /// <summary>
    /// Only a full queue stands against it: the same request can be taken once others have started.
    /// </summary>
    public bool CanRetry { get; init; }
}
