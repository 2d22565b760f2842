namespace PdEngine;

/// <summary>Keeps a cached prefix from eviction while it is held; empty where nothing is held.</summary>
/// <param name="Node">The run in which the prefix ends.</param>
internal readonly record struct PrefixLock(RadixNode? Node)
{
    public int BlockCount => Node?.EndBlockCount ?? 0;
}
