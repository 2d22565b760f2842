namespace PdEngine.Bench;

/// <summary>What clients saw of one run of a load.</summary>
/// <param name="StartTicks">When the clock starts; what came before was preparation.</param>
/// <param name="Requests">In an order that does not depend on time.</param>
internal sealed record LoadTrace(long StartTicks, IReadOnlyList<RequestTrace> Requests)
{
    /// <summary>When the last token was seen.</summary>
    public long EndTicks => Requests.Max(request => request.LastTicks);
}
