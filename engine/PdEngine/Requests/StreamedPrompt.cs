namespace PdEngine;

/// <summary>What a stream knows of its prompt once the first token is there.</summary>
/// <param name="Ids">As it was computed.</param>
/// <param name="LogProbs">From the asked position on; empty where not asked for.</param>
/// <param name="CachedTokens">Supplied by the prefix cache.</param>
internal sealed record StreamedPrompt(
    ReadOnlyMemory<int> Ids, IReadOnlyList<TokenLogProb> LogProbs, int CachedTokens);
