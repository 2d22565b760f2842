namespace PdEngine;

/// <summary>
/// Memory that its devices address at full speed: weights and KV blocks there are shared by all of them.
/// </summary>
/// <param name="Name">For example <c>host</c> or <c>cuda:0</c>; no two have the same.</param>
internal sealed record MemoryDomain(string Name)
{
    /// <summary>The host's memory, of all CPU devices.</summary>
    public static MemoryDomain Host { get; } = new("host");
}
