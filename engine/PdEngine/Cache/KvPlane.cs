namespace PdEngine;

/// <summary>How KV elements are stored.</summary>
internal enum KvElement
{
    BFloat16 = 2,
    Float32 = 4,
}

/// <summary>One plane of a layer's cache: K or V for grouped-query attention.</summary>
/// <param name="Heads">Heads in this plane.</param>
/// <param name="Width">Elements per head and position.</param>
/// <param name="Element">Element type; its value is its size in bytes.</param>
internal readonly record struct KvPlane(int Heads, int Width, KvElement Element);
