namespace PdEngine;

/// <summary>How many blocks one worker may take of a pool that it shares, and has.</summary>
internal sealed class KvQuota(int limitBlocks)
{
    /// <summary>Most blocks that it may be charged.</summary>
    public int LimitBlocks { get; } = limitBlocks;

    /// <summary>Blocks that it is charged.</summary>
    public int ChargedBlocks { get; set; }

    public int LeftBlocks => LimitBlocks - ChargedBlocks;
}
