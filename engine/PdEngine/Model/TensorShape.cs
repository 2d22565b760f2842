namespace PdEngine;

/// <summary>A tensor that a model of some <see cref="ModelConfig"/> is made of.</summary>
/// <param name="Name">Hugging Face name.</param>
/// <param name="Shape">Outermost first.</param>
internal readonly record struct TensorShape(string Name, long[] Shape)
{
    /// <summary>"[2, 3]", and at most a line of it.</summary>
    public static string Show(IReadOnlyList<long> shape) => shape.Count <= 8
        ? $"[{string.Join(", ", shape)}]"
        : $"[{string.Join(", ", shape.Take(8))}, ... {shape.Count} dimensions]";

    /// <summary>Product of the dimensions; the shape has been checked not to overflow.</summary>
    public static long Count(IReadOnlyList<long> shape)
    {
        long count = 1;
        foreach (long dimension in shape)
            count *= dimension;
        return count;
    }
}
