namespace PdEngine;

/// <summary>What of a request decides where it goes.</summary>
/// <param name="PromptTokens">Prompt token ids, at least one.</param>
/// <param name="RoutingKey">The caller's key; absent or empty: none.</param>
/// <param name="SessionId">Its session of several turns; absent or empty: none.</param>
/// <param name="RequestId">Stands in for chance, so that the order of routing does not.</param>
internal readonly record struct RouteKey(
    ReadOnlyMemory<int> PromptTokens, string? RoutingKey, string? SessionId, long RequestId)
{
    /// <summary>Hash of the session; null without one.</summary>
    public ulong? SessionHash => string.IsNullOrEmpty(SessionId) ? null : RouteHash.Of(SessionId);

    /// <summary>Hash of the routing key, else of the session; null without either.</summary>
    public ulong? KeyHash => string.IsNullOrEmpty(RoutingKey) ? SessionHash : RouteHash.Of(RoutingKey);

    /// <summary>64 bits that look random, the same whenever this request is routed.</summary>
    public ulong Draw(ulong seed) => RouteHash.Mix(seed, (ulong)RequestId);
}
