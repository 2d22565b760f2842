namespace PdEngine;

/// <summary>Which share of a model's weights a rank holds.</summary>
/// <param name="Rank">From 0.</param>
/// <param name="Count">Ranks that share the model.</param>
internal readonly record struct WeightShard(int Rank, int Count)
{
    /// <summary>All of them.</summary>
    public static WeightShard Whole { get; } = new(0, 1);

    /// <summary>This rank's share of something that divides evenly.</summary>
    public (int First, int Count) PartOf(int total)
    {
        Check.That(total % Count == 0);
        return (Rank * (total / Count), total / Count);
    }

    /// <summary>
    /// This rank's share of whole units of <paramref name="unit"/>; the last unit may be smaller, and a share
    /// may be empty.
    /// </summary>
    public (int First, int Count) PartOf(int total, int unit)
    {
        int units = (total + unit - 1) / unit;
        int first = Math.Min(total, units * Rank / Count * unit);
        return (first, Math.Min(total, units * (Rank + 1) / Count * unit) - first);
    }
}
