namespace PdEngine;

/// <summary>
/// Copies blocks between the memories of two workers, of the same kind of backend. Which heads go
/// from which store to which is worked out once; where two stores hold the same heads, a run of layers is one
/// copy.
/// </summary>
internal sealed class KvTransfer : IKvTransfer
{
    private readonly Route[] _routes;

    /// <param name="source">Memory of the sender; may be the receiver's own. Not owned.</param>
    /// <param name="target">Memory of the receiver; not owned.</param>
    public KvTransfer(KvMemory source, KvMemory target)
    {
        Check.That(source.Layout.HasHeadsOf(target.Layout));
        Check.That(source.Layout.HeadCount == target.Layout.HeadCount);
        LayerCount = target.Layout.LayerCount;
        BlockBytes = target.BlockBytes;
        List<Route> routes = [];
        foreach (KvShard shard in target.Shards)
            AddRoutes(source, shard, routes);
        _routes = [.. routes];
    }

    public int LayerCount { get; }

    public long BlockBytes { get; }

    public long Copy(ReadOnlySpan<int> source, ReadOnlySpan<int> target, int firstLayer, int layerCount)
    {
        Check.That(source.Length == target.Length);
        long bytes = 0;
        foreach (ref readonly Route route in _routes.AsSpan())
            bytes += route.Target.CopyBlocks(
                route.Source, source, target, route.Heads, firstLayer, layerCount);
        return bytes;
    }

    private static void AddRoutes(KvMemory source, KvShard target, List<Route> routes)
    {
        int head = target.FirstHead;
        while (head < target.EndHead)
        {
            KvShard from = Holder(source, target, head);
            int end = Math.Min(target.EndHead, from.EndHead);
            KvHeadRun heads = new(head - from.FirstHead, head - target.FirstHead, end - head);
            target.Store.Connect(from.Store);
            routes.Add(new(from.Store, target.Store, heads));
            head = end;
        }
    }

    /// <summary>
    /// The store that a head is taken from: the target itself inside one memory, else the first that has it.
    /// </summary>
    private static KvShard Holder(KvMemory source, KvShard target, int head)
    {
        KvShard? holder = null;
        foreach (KvShard shard in source.Shards)
        {
            if (shard.Store == target.Store)
                return shard;
            if (holder is null && head >= shard.FirstHead && head < shard.EndHead)
                holder = shard;
        }
        Check.That(holder is not null);
        return holder;
    }

    private readonly record struct Route(KvStore Source, KvStore Target, KvHeadRun Heads);
}
