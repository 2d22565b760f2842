namespace PdEngine;

/// <summary>One state of a service's weights: what a token was made with.</summary>
/// <param name="Number">Counts up by one with each update, from 0.</param>
/// <param name="Version">Its name to callers.</param>
/// <param name="Weights">The weights themselves; null where no model computes.</param>
internal sealed record WeightEpoch(int Number, string Version, WeightSet? Weights)
{
    public const string FirstVersion = "default";

    /// <summary>Before any update, without a model.</summary>
    public static WeightEpoch Initial { get; } = new(0, FirstVersion, null);
}
