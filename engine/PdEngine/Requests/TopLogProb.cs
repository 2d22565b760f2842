namespace PdEngine;

/// <summary>One of the most likely tokens at a position.</summary>
/// <param name="TokenId">The token.</param>
/// <param name="LogProb">Its natural log-prob under the request's <see cref="LogProbMode"/>.</param>
public readonly record struct TopLogProb(int TokenId, float LogProb);
