namespace PdEngine.Tests;

/// <summary>
/// A checkpoint whose weights are a function of (seed, tensor name, element); norms lie around 1.
/// </summary>
internal sealed class SyntheticCheckpoint(ModelConfig config, int seed) : ICheckpoint
{
    /// <summary>Reading this tensor fails.</summary>
    public string? Broken { get; init; }

    public string Path => "synthetic";

    public ModelConfig Config => config;

    public IReadOnlyList<long>? ShapeOf(string name) => null;

    public void Read(string name, long firstElement, Span<float> destination)
    {
        if (name == Broken)
            throw new CheckpointException(Path, $"tensor '{name}' is broken");
        for (int index = 0; index < destination.Length; index++)
            destination[index] = Element(name, firstElement + index);
    }

    public void Dispose()
    {
    }

    /// <summary>One element of a tensor.</summary>
    public float Element(string name, long index)
    {
        ulong hash = (ulong)seed;
        foreach (char letter in name)
            hash = (hash ^ letter) * 0x100000001B3;
        hash = (hash ^ (ulong)index) * 0x9E3779B97F4A7C15;
        hash = (hash ^ (hash >> 29)) * 0xBF58476D1CE4E5B9;
        hash ^= hash >> 32;
        float value = ((hash & 0xFFFFFF) / (float)0x800000) - 1;
        if (name.EndsWith("norm.weight", StringComparison.Ordinal))
            return 1 + (value * 0.3f);
        return name.EndsWith(".bias", StringComparison.Ordinal) ? value * 0.5f : value * 0.4f;
    }

    /// <summary>One row of a matrix.</summary>
    public float[] Row(string name, int row, int columns)
    {
        float[] values = new float[columns];
        Read(name, (long)row * columns, values);
        return values;
    }

    /// <summary>A whole tensor.</summary>
    public float[] Tensor(string name, int count)
    {
        float[] values = new float[count];
        Read(name, 0, values);
        return values;
    }
}
