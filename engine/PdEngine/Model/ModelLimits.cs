namespace PdEngine;

/// <summary>
/// What a model's sizes may be. Far above any model there is, and low enough that no product of them
/// overflows and no list as long as one of them is a burden; checked before anything is allocated.
/// </summary>
internal static class ModelLimits
{
    public const int VocabularySize = 1 << 24;
    public const int HiddenSize = 1 << 18;
    public const int IntermediateSize = 1 << 20;
    public const int LayerCount = 4096;
    public const int HeadCount = 4096;
    public const int HeadDim = 4096;
    public const int Positions = 1 << 28;

    /// <summary>Rules between sizes that have passed their own limits.</summary>
    /// <exception cref="CheckpointException">A rule is broken.</exception>
    public static void CheckHeads(string path, int headCount, int kvHeadCount, int headDim)
    {
        if (headCount % kvHeadCount != 0)
            throw new CheckpointException(
                path, $"{headCount} attention heads cannot share {kvHeadCount} key-value heads evenly");
        if (headDim % 2 != 0)
            throw new CheckpointException(path, $"the head dimension is {headDim}; rotary embedding needs " +
                                                "an even one");
    }

    /// <summary>Hidden size over heads, the head dimension where a file states none.</summary>
    /// <exception cref="CheckpointException">It does not divide.</exception>
    public static int DerivedHeadDim(string path, int hiddenSize, int headCount) =>
        hiddenSize % headCount == 0
        ? hiddenSize / headCount
        : throw new CheckpointException(
            path, $"hidden size {hiddenSize} is not a multiple of {headCount} heads, and no head dimension " +
                  "is given");
}
