namespace PdEngine;

/// <summary>A store and the run of a model's KV heads that it holds.</summary>
/// <param name="Store">As many heads as its layout says.</param>
/// <param name="FirstHead">The model's KV head that is head 0 of the store.</param>
internal sealed record KvShard(KvStore Store, int FirstHead)
{
    /// <summary>KV heads in the store.</summary>
    public int HeadCount => Store.Layout.HeadCount;

    /// <summary>The model's KV head after the last of these.</summary>
    public int EndHead => FirstHead + HeadCount;
}

/// <summary>The KV heads of one rank.</summary>
/// <param name="Store">Holds them.</param>
/// <param name="FirstHead">The first, as the store counts.</param>
/// <param name="HeadCount">How many.</param>
internal readonly record struct KvRankHeads(KvStore Store, int FirstHead, int HeadCount);
