namespace PdEngine;

/// <summary>Heads of one attention layer; a row of qkv is [HeadCount + 2 * KvHeadCount, HeadDim].</summary>
/// <param name="HeadCount">Query heads; query head h reads KV head h * KvHeadCount / HeadCount.</param>
/// <param name="KvHeadCount">Key and value heads.</param>
/// <param name="HeadDim">Elements per head.</param>
/// <param name="FirstKvHead">
/// Head of the store that KV head 0 is; the store may hold heads before and after these.
/// </param>
internal readonly record struct AttentionShape(
    int HeadCount, int KvHeadCount, int HeadDim, int FirstKvHead = 0)
{
    /// <summary>Elements of a row of q, and of attention's output.</summary>
    public int QueryColumns => HeadCount * HeadDim;

    /// <summary>Elements of a row of k, or of v.</summary>
    public int KvColumns => KvHeadCount * HeadDim;

    /// <summary>Elements of a row of qkv.</summary>
    public int QkvColumns => QueryColumns + (2 * KvColumns);

    /// <summary>Fails unless every plane of a store holds these KV heads.</summary>
    public void CheckFits(KvLayout layout)
    {
        Check.That(FirstKvHead >= 0 && FirstKvHead + KvHeadCount <= layout.HeadCount);
        // By index: the enumerator of a list behind an interface is an allocation.
        for (int plane = 0; plane < layout.Planes.Count; plane++)
            Check.That(layout.Planes[plane].Width == HeadDim);
    }
}
