namespace PdEngine;

/// <summary>
/// How a model is cut among 1, 2 or 4 ranks so that its numbers stay bitwise the same: products that sum over
/// heads or over the intermediate width are 4 sums, added pairwise, however many ranks make them.
/// </summary>
internal static class TensorParallel
{
    private const int MaxSegments = 4;

    private static readonly int[] Sizes = [1, 2, 4];

    /// <summary>Segments of o_proj's input features; each is whole heads.</summary>
    public static int OutputSegments(ModelConfig config) => SegmentsFor(config.HeadCount);

    /// <summary>
    /// Segments of down_proj's input features; each is pairs of them, as tile products take them. (From an
    /// odd start the pairs would be others, and so would the sums.)
    /// </summary>
    public static int DownSegments(ModelConfig config) =>
        config.IntermediateSize % 2 == 0 ? SegmentsFor(config.IntermediateSize / 2) : 1;

    /// <summary>4 segments, or as many as divide the parts evenly.</summary>
    public static int SegmentsFor(int parts)
    {
        int segments = MaxSegments;
        while (parts % segments != 0)
            segments /= 2;
        return segments;
    }

    /// <summary>Whether a model can be cut among so many ranks.</summary>
    public static bool IsPossible(ModelConfig config, int size) =>
        Sizes.Contains(size)
        && OutputSegments(config) % size == 0
        && DownSegments(config) % size == 0
        && (config.KvHeadCount % size == 0 || size % config.KvHeadCount == 0);

    /// <summary>Refuses a size that a model cannot be cut by.</summary>
    /// <exception cref="OptionsException">
    /// Names tp_size, the model's numbers, and the sizes that can be.
    /// </exception>
    public static void ThrowIfImpossible(ModelConfig config, int size)
    {
        if (IsPossible(config, size))
            return;
        string possible = string.Join(", ", Sizes.Where(one => IsPossible(config, one)));
        string problem = Sizes.Contains(size)
            ? $"{size} ranks cannot share {config.HeadCount} query heads, {config.KvHeadCount} key-value "
                + $"heads and an intermediate size of {config.IntermediateSize} evenly (query heads and half "
                + "the intermediate size must divide by it; key-value heads must too, or divide it)"
            : $"{size} ranks would add in another order than one";
        throw new OptionsException("tp_size", $"{problem}; this model runs at {possible}");
    }
}
