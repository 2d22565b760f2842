namespace PdEngine;

/// <summary>
/// A weight update was refused: the message says what differs. The service goes on with the weights it has.
/// </summary>
public sealed class WeightUpdateException : PdEngineException
{
    internal WeightUpdateException(string problem, Exception? cause = null)
        : base($"The weight update is refused: {problem}", cause)
    {
    }
}
