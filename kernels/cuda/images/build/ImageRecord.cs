namespace PdEngine;

/// <summary>An image, and what it was made of.</summary>
/// <param name="Source">Without extension.</param>
/// <param name="SourceHash">As <see cref="CudaSources.HashOf"/>.</param>
/// <param name="ImageHash">The sha256 of the image before it is compressed.</param>
/// <param name="Bytes">Of the image before it is compressed.</param>
internal sealed record ImageRecord(
    string Target, string Source, string SourceHash, string ImageHash, int Bytes,
    IReadOnlyList<KernelRecord> Kernels);
