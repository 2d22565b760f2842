namespace PdEngine;

/// <summary>How much of a token run the prefix cache holds.</summary>
/// <param name="BlockCount">Whole leading blocks found.</param>
/// <param name="EvictableBlockCount">Those of them that could be evicted now: locking them takes that
/// space.</param>
internal readonly record struct PrefixMatch(int BlockCount, int EvictableBlockCount);
