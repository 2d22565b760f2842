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

    /// <summary>Makes the exception of a request that no worker is left for.</summary>
    /// <param name="failures">What the workers died of, one entry each.</param>
    public WorkerException(IReadOnlyList<WorkerException> failures)
        : base("Every worker has failed; restart one. " + string.Join(' ', failures.Select(Sentence)),
            new AggregateException(failures))
    {
    }

    private static string Sentence(WorkerException failure) => failure.Message.TrimEnd('.') + '.';
}
