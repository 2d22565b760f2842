namespace PdEngine;

/// <summary>
/// The compute backend cannot do what was asked: a missing library, instruction set or device memory.
/// </summary>
public sealed class BackendException : PdEngineException
{
    /// <summary>Makes the exception.</summary>
    /// <param name="message">What was looked for, what was found, and what to change.</param>
    /// <param name="innerException">The cause, where there is one.</param>
    public BackendException(string message, Exception? innerException = null)
        : base(message, innerException)
    {
    }
}
