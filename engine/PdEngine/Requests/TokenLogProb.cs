namespace PdEngine;

/// <summary>A token of a prompt or an output with its log-prob.</summary>
/// <param name="TokenId">The token.</param>
/// <param name="LogProb">
/// Natural log-prob given all tokens before it; null at the first reported prompt position.
/// </param>
/// <param name="Top">
/// The most likely tokens there, most likely first; empty where none were asked for.
/// </param>
public readonly record struct TokenLogProb(int TokenId, float? LogProb, IReadOnlyList<TopLogProb> Top);
