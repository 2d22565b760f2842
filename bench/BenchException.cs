namespace PdEngine.Bench;

/// <summary>A run that must not be reported as a measurement.</summary>
internal sealed class BenchException : PdEngineException
{
    public BenchException(string message, Exception? cause = null)
        : base(message, cause)
    {
    }
}
