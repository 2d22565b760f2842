namespace PdEngine.Tests;

/// <summary>What an attention test runs with.</summary>
internal sealed record AttentionSetup(
    int Isa, int Heads, int KvHeads, int HeadDim, int PageSize, int Window = 0, int Threads = 1)
{
    /// <summary>KV heads of the store before those in use.</summary>
    public int HeadsBefore { get; init; }

    /// <summary>KV heads of the store after those in use.</summary>
    public int HeadsAfter { get; init; }

    public int StoreKvHeads => HeadsBefore + KvHeads + HeadsAfter;

    public int QueryColumns => Heads * HeadDim;

    public int KvColumns => KvHeads * HeadDim;

    public int Group => Heads / KvHeads;

    public float Scale => 1 / MathF.Sqrt(HeadDim);

    /// <summary>Elements of one head of one block.</summary>
    public int HeadElements => PageSize * HeadDim;

    public bool Tiled => PageSize >= 64 && HeadDim % 16 == 0;

    /// <summary>Oldest position a query sees.</summary>
    public int Oldest(int position) => Window == 0 ? 0 : Math.Max(0, position - Window + 1);

    /// <summary>Index, inside one head of one block, of a K element.</summary>
    public int KeyIndex(int slot, int dim)
    {
        if (!Tiled)
            return (slot * HeadDim) + dim;
        int inTile = slot % 64;
        return (slot / 64 * 64 * HeadDim) + (inTile / 16 * 16 * HeadDim) + (dim / 2 * 32) + (inTile % 16 * 2)
            + (dim % 2);
    }

    /// <summary>Index, inside one head of one block, of a V element.</summary>
    public int ValueIndex(int slot, int dim)
    {
        if (!Tiled)
            return (slot * HeadDim) + dim;
        int inTile = slot % 64;
        return (slot / 64 * 64 * HeadDim) + (dim / 16 * 64 * 16) + (inTile / 2 * 32) + (dim % 16 * 2)
            + (inTile % 2);
    }
}
