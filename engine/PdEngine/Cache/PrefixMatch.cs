namespace PdEngine;

/// <summary>How much of a token run the prefix cache holds.</summary>
/// <param name="BlockCount">Whole leading blocks found.</param>
/// <param name="EvictableBlockCount">Those of them that could be evicted now: locking them takes that space.</param>
internal readonly record struct PrefixMatch(int BlockCount, int EvictableBlockCount);

/// <summary>Keeps a cached prefix from eviction while it is held; empty where nothing is held.</summary>
/// <param name="Node">The run in which the prefix ends.</param>
internal readonly record struct PrefixLock(RadixNode? Node)
{
    public int BlockCount => Node?.EndBlockCount ?? 0;
}
