namespace PdEngine;

/// <summary>A live worker as a routing policy sees it.</summary>
/// <param name="Worker">Its number, which outlives the deaths of others.</param>
/// <param name="RequestCount">Sequences posted to it that have not finished.</param>
/// <param name="PendingTokens">Prompt tokens posted to it that are not computed yet.</param>
/// <param name="CachedTokens">Leading tokens of the request's prompt that its prefix cache holds.</param>
internal readonly record struct RouteCandidate(
    int Worker, int RequestCount, long PendingTokens, int CachedTokens);
