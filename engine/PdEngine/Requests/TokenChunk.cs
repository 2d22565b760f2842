namespace PdEngine;

/// <summary>What a generation made since the last chunk.</summary>
/// <param name="TokenIds">New ids, at least one unless only held-back text is released.</param>
/// <param name="LogProbs">Their log-probs; empty where not asked for.</param>
/// <param name="Text">New text; never half a character, and never the start of a stop string.</param>
public readonly record struct TokenChunk(
    IReadOnlyList<int> TokenIds, IReadOnlyList<float> LogProbs, string Text);
