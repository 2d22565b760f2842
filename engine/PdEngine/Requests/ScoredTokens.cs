using System.Collections;

namespace PdEngine;

/// <summary>
/// What a model made of given tokens: one entry for each token, of which the first has no log-prob; of a
/// reward model no entries, but its reward.
/// </summary>
public sealed class ScoredTokens : IReadOnlyList<TokenLogProb>
{
    private readonly IReadOnlyList<TokenLogProb> _entries;

    internal ScoredTokens(Generation scored)
    {
        _entries = scored.InputLogProbs;
        Reward = scored.Reward;
        WeightVersion = scored.WeightVersion;
        CachedTokens = scored.CachedTokens;
    }

    /// <summary>What a reward model's head makes of the last token; null of a language model.</summary>
    public float? Reward { get; }

    /// <summary>Of the weights that scored them.</summary>
    public string WeightVersion { get; }

    /// <summary>Tokens that the prefix cache supplied.</summary>
    public int CachedTokens { get; }

    /// <inheritdoc/>
    public int Count => _entries.Count;

    /// <inheritdoc/>
    public TokenLogProb this[int index] => _entries[index];

    /// <inheritdoc/>
    public IEnumerator<TokenLogProb> GetEnumerator() => _entries.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
