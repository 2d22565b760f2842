namespace PdEngine;

/// <summary>A request can never fit the engine as configured; the message gives both numbers.</summary>
public sealed class CapacityException : PdEngineException
{
    /// <summary>Makes the exception.</summary>
    /// <param name="message">What was needed, what there is, and which option to change.</param>
    public CapacityException(string message)
        : base(message)
    {
    }
}
