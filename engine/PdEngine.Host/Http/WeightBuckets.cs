using System.Collections.Concurrent;

namespace PdEngine.Host;

/// <summary>
/// Weights that come in several bodies after they were given back: held until all of them are there, since
/// the service has nothing to keep of what a body leaves out.
/// </summary>
internal sealed class WeightBuckets
{
    private readonly ConcurrentDictionary<EngineModel, Held> _held = new();

    /// <summary>
    /// What has come so far, and then this one: a trainer that did not hear the answer to a body sends it
    /// again, so what later ones give whole is left out.
    /// </summary>
    public WeightBucket[] With(EngineModel model, WeightBucket last)
    {
        List<WeightBucket> all = [last];
        HashSet<string> given = [.. last.Names];
        if (_held.TryGetValue(model, out Held? held))
        {
            foreach (WeightBucket earlier in held.Buckets.Reverse())
            {
                int before = given.Count;
                given.UnionWith(earlier.Names);
                if (given.Count > before)
                    all.Add(earlier);
            }
        }
        all.Reverse();
        return [.. all];
    }

    /// <summary>Holds all that have come.</summary>
    /// <param name="model">Whose.</param>
    /// <param name="buckets">See <see cref="With"/>.</param>
    /// <param name="tensorCount">That they have.</param>
    /// <param name="missing">Those that they lack, at least one.</param>
    public void Hold(
        EngineModel model, WeightBucket[] buckets, int tensorCount, IReadOnlyList<string> missing) =>
        _held[model] = new(buckets, TensorsSoFar.Say(tensorCount, tensorCount + missing.Count, missing[0],
            "since the weights were given back"));

    /// <summary>How far it is; null where nothing is held.</summary>
    public string? StateOf(EngineModel model) =>
        _held.TryGetValue(model, out Held? held) ? held.State : null;

    public void Drop(EngineModel model) => _held.TryRemove(model, out _);

    private sealed record Held(IReadOnlyList<WeightBucket> Buckets, string State);
}
