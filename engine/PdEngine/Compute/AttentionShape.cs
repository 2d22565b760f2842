namespace PdEngine;

/// <summary>Heads of one attention layer; a row of qkv is [HeadCount + 2 * KvHeadCount, HeadDim].</summary>
/// <param name="HeadCount">Query heads; query head h reads KV head h * KvHeadCount / HeadCount.</param>
/// <param name="KvHeadCount">Key and value heads.</param>
/// <param name="HeadDim">Elements per head.</param>
internal readonly record struct AttentionShape(int HeadCount, int KvHeadCount, int HeadDim)
{
    /// <summary>Elements of a row of q, and of attention's output.</summary>
    public int QueryColumns => HeadCount * HeadDim;

    /// <summary>Elements of a row of k, or of v.</summary>
    public int KvColumns => KvHeadCount * HeadDim;

    /// <summary>Elements of a row of qkv.</summary>
    public int QkvColumns => QueryColumns + (2 * KvColumns);
}
