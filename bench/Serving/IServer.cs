namespace PdEngine.Bench;

/// <summary>Serves many requests at once: our engine, or a peer.</summary>
internal interface IServer : IAsyncDisposable
{
    /// <summary>Submits at once, then reads to the end as a client does.</summary>
    /// <param name="request">The request.</param>
    /// <param name="onTokens">Hears how many tokens came, as they come.</param>
    /// <returns>What the client saw.</returns>
    /// <exception cref="BenchException">The request did not end with all its tokens.</exception>
    Task<RequestTrace> RunAsync(ServingRequest request, Action<int>? onTokens = null);
}
