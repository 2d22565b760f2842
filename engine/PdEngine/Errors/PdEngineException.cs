namespace PdEngine;

/// <summary>A fault of the world that the engine met: it says what, how much, and what to change.</summary>
/// <remarks>
/// Bugs of the engine itself are not of this type; they surface as <see cref="InvariantException"/>.
/// </remarks>
public abstract class PdEngineException : Exception
{
    private protected PdEngineException(string message, Exception? innerException = null)
        : base(message, innerException)
    {
    }
}
