namespace PdEngine;

/// <summary>The worker that owned a request failed; the request ends with the tokens made so far.</summary>
public sealed class WorkerException : PdEngineException
{
    /// <summary>Makes the exception.</summary>
    /// <param name="worker">The worker's name.</param>
    /// <param name="cause">What it died of.</param>
    public WorkerException(string worker, Exception cause)
        : base($"Worker '{worker}' failed: {cause.Message}", cause)
    {
    }
}
