namespace PdEngine.Host;

/// <summary>A hub's answer that is none.</summary>
/// <param name="status">HTTP's.</param>
/// <param name="retryAfter">When it may be asked again, where it says so.</param>
/// <param name="message">Who answered what.</param>
internal sealed class HubFault(int status, TimeSpan? retryAfter, string message) : IOException(message)
{
    public int Status { get; } = status;

    public TimeSpan? RetryAfter { get; } = retryAfter;

    /// <summary>It may be another answer later.</summary>
    public bool CanRetry => Status is 408 or 425 or 429 or >= 500;
}
