namespace PdEngine;

/// <summary>
/// The bytes behind the blocks of one worker: the stores that together hold all KV heads of block b, and
/// which of them each of its ranks reads and writes.
/// </summary>
/// <remarks>
/// Where a model has fewer KV heads than ranks, several ranks have the same one. With a store each, each has
/// a copy. In a shared store they write the same bytes to the same place, unordered: the processor never
/// tears a byte, and a rank reads a position only after its own write of it, so it reads those bytes whoever
/// wrote last.
/// </remarks>
internal sealed class KvMemory : IDisposable
{
    private readonly KvRankHeads[] _ranks;
    private readonly bool _ownsStores;

    private KvMemory(KvLayout layout, IReadOnlyList<KvShard> shards, KvRankHeads[] ranks, bool ownsStores)
    {
        Layout = layout;
        Shards = shards;
        _ranks = ranks;
        _ownsStores = ownsStores;
    }

    /// <summary>The layout of all KV heads, whatever store they are in.</summary>
    public KvLayout Layout { get; }

    /// <summary>Every store once; a head may be in several.</summary>
    public IReadOnlyList<KvShard> Shards { get; }

    public int RankCount => _ranks.Length;

    public int BlockCount => Shards[0].Store.BlockCount;

    /// <summary>Bytes of one block in all stores.</summary>
    public long BlockBytes
    {
        get
        {
            long bytes = 0;
            foreach (KvShard shard in Shards)
                bytes += shard.Store.Layout.BlockBytes;
            return bytes;
        }
    }

    /// <summary>
    /// A worker of so many ranks on a store of all KV heads, which workers of other sizes may use as well.
    /// </summary>
    /// <param name="store">Not owned.</param>
    /// <param name="rankCount">Ranks of the worker.</param>
    public static KvMemory InHost(KvStore store, int rankCount)
    {
        KvRankHeads[] ranks = new KvRankHeads[rankCount];
        for (int rank = 0; rank < rankCount; rank++)
        {
            (int first, int count) = HeadsOf(store.Layout.HeadCount, rank, rankCount);
            ranks[rank] = new(store, first, count);
        }
        return new(store.Layout, [new KvShard(store, 0)], ranks, ownsStores: false);
    }

    /// <summary>A worker whose ranks each have a store of their own heads alone.</summary>
    /// <param name="backends">One per rank; each makes its store.</param>
    /// <param name="layout">The layout of all KV heads.</param>
    /// <param name="blockCount">Blocks of every store.</param>
    public static KvMemory OnDevices(IReadOnlyList<IBackend> backends, KvLayout layout, int blockCount)
    {
        KvShard[] shards = new KvShard[backends.Count];
        KvRankHeads[] ranks = new KvRankHeads[backends.Count];
        try
        {
            for (int rank = 0; rank < ranks.Length; rank++)
            {
                (int first, int count) = HeadsOf(layout.HeadCount, rank, ranks.Length);
                shards[rank] = new(backends[rank].CreateKvStore(layout.WithHeads(count), blockCount), first);
                ranks[rank] = new(shards[rank].Store, 0, count);
            }
        }
        catch
        {
            foreach (KvShard? shard in shards)
                shard?.Store.Dispose();
            throw;
        }
        return new(layout, shards, ranks, ownsStores: true);
    }

    /// <summary>The model's KV heads of one rank: a share, or one that other ranks have as well.</summary>
    public static (int First, int Count) HeadsOf(int kvHeads, int rank, int rankCount)
    {
        Check.That((uint)rank < (uint)rankCount);
        Check.That(kvHeads % rankCount == 0 || rankCount % kvHeads == 0);
        return (rank * kvHeads / rankCount, Math.Max(1, kvHeads / rankCount));
    }

    public KvRankHeads Rank(int rank) => _ranks[rank];

    /// <inheritdoc cref="KvStore.Vacate"/>
    public void Vacate()
    {
        foreach (KvShard shard in Shards)
            shard.Store.Vacate();
    }

    /// <summary>Disposes of stores that this made.</summary>
    public void Dispose()
    {
        if (!_ownsStores)
            return;
        foreach (KvShard shard in Shards)
            shard.Store.Dispose();
    }
}
