namespace PdEngine;

/// <summary>The KV blocks of one pool: free, cached and held are all of them.</summary>
internal readonly record struct PoolView
{
    public int TotalBlocks { get; init; }

    public int FreeBlocks { get; init; }

    /// <summary>Held by the prefix cache alone: given up where there is need.</summary>
    public int CachedBlocks { get; init; }

    /// <summary>Held by sequences, or still being written.</summary>
    public int HeldBlocks => TotalBlocks - FreeBlocks - CachedBlocks;

    /// <summary>Of those held, the ones on their way from one worker to another.</summary>
    public int InFlightBlocks { get; init; }

    /// <summary>Positions per block.</summary>
    public int PageSize { get; init; }
}
