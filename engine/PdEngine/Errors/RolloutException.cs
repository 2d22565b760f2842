namespace PdEngine;

/// <summary>A rollout was asked for what cannot be, or its parts do not fit together.</summary>
public sealed class RolloutException : PdEngineException
{
    /// <summary>Makes the exception.</summary>
    /// <param name="message">What does not fit, with numbers, and what to change.</param>
    public RolloutException(string message)
        : base(message)
    {
    }

    /// <summary>Makes the exception with what caused it.</summary>
    /// <param name="message">What failed.</param>
    /// <param name="cause">Why.</param>
    public RolloutException(string message, Exception cause)
        : base(message, cause)
    {
    }
}
