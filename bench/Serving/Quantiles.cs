namespace PdEngine.Bench;

/// <summary>Nearest-rank quantiles: always one of the values, so that no stall is averaged away.</summary>
internal sealed class Quantiles
{
    private readonly double[] _sorted;

    public Quantiles(IEnumerable<double> values)
    {
        _sorted = [.. values];
        Array.Sort(_sorted);
    }

    public int Count => _sorted.Length;

    /// <summary>0 where there are no values.</summary>
    public double Max => Count == 0 ? 0 : _sorted[^1];

    /// <summary>0 where there are no values.</summary>
    public double Sum => _sorted.Sum();

    /// <summary>The least value that this share of all values does not exceed; 0 without values.</summary>
    /// <param name="share">In (0, 1].</param>
    public double At(double share) =>
        Count == 0 ? 0 : _sorted[Math.Clamp((int)Math.Ceiling(share * Count) - 1, 0, Count - 1)];

    /// <summary>Sum of the values above a threshold over the sum of all; 0 without values.</summary>
    public double ShareAbove(double threshold) =>
        Sum <= 0 ? 0 : _sorted.Where(value => value > threshold).Sum() / Sum;
}
