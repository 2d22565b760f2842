namespace PdEngine;

/// <summary>Whether a sequence ends with the token just appended, and why. Ids come before strings.</summary>
internal static class StopRule
{
    /// <param name="sequence">Gains the id or text that it met.</param>
    /// <param name="stopText">A stop string that the token completed, or null.</param>
    /// <param name="contextTokens">Longest sequence that the model takes.</param>
    /// <returns>Null while it goes on.</returns>
    public static FinishReason? Apply(Sequence sequence, string? stopText, int contextTokens)
    {
        int token = sequence.Tokens[^1];
        if (Array.BinarySearch(sequence.Request.StopTokenIds, token) >= 0)
        {
            sequence.MatchedStopId = token;
            return FinishReason.Stop;
        }
        if (stopText is not null)
        {
            sequence.MatchedStopText = stopText;
            return FinishReason.Stop;
        }
        return IsFull(sequence, sequence.TokenCount, contextTokens) ? FinishReason.Length : null;
    }

    /// <summary>With so many tokens it is as long as it may become.</summary>
    public static bool IsFull(Sequence sequence, int tokenCount, int contextTokens) =>
        tokenCount - sequence.PromptCount >= sequence.Request.Sampling.MaxNewTokens
        || tokenCount >= contextTokens;
}
