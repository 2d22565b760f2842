namespace PdEngine;

/// <summary>
/// Chooses whether a request's prompt is computed on a prefill worker or on the decode worker that goes on
/// with it. The path never changes a token, only when it comes.
/// </summary>
/// <param name="mode">What the caller asked for.</param>
/// <param name="localTokens">
/// Uncached prompt tokens up to which a hand-off does not pay: they delay running sequences less than moving
/// costs.
/// </param>
internal sealed class PdDecider(DisaggregateMode mode, int localTokens)
{
    /// <summary>Decides for one request and the two workers it would meet.</summary>
    /// <param name="promptTokens">Its length.</param>
    /// <param name="cachedOnDecode">Leading tokens of it that the decode worker's cache holds.</param>
    /// <param name="pendingPrefillTokens">Tokens that wait before it on the prefill worker.</param>
    /// <param name="decodingOnDecode">
    /// Sequences posted to the decode worker that have not finished; a prompt beside them slows them down.
    /// </param>
    /// <param name="hasPrefill">A prefill worker is alive.</param>
    /// <param name="hasDecode">A decode worker is alive.</param>
    public PdDecision Decide(
        int promptTokens, int cachedOnDecode, long pendingPrefillTokens, int decodingOnDecode,
        bool hasPrefill, bool hasDecode)
    {
        if (!hasDecode)
            return new(false, PdReasons.NoDecodeWorker);
        if (!hasPrefill)
            return new(false, PdReasons.NoPrefillWorker);
        if (mode == DisaggregateMode.Always)
            return new(true, PdReasons.Always);
        if (mode == DisaggregateMode.Never)
            return new(false, PdReasons.Never);
        if (promptTokens <= localTokens)
            return new(false, PdReasons.ShortPrompt);
        if (promptTokens - cachedOnDecode <= localTokens)
            return new(false, PdReasons.PromptCached);
        if (decodingOnDecode == 0 && pendingPrefillTokens > 0)
            return new(false, PdReasons.DecodeWorkerIdle);
        return new(true, PdReasons.LongPrompt);
    }
}

/// <summary>The path chosen.</summary>
/// <param name="Disaggregates">The prompt goes to a prefill worker.</param>
/// <param name="Reason">One of <see cref="PdReasons"/>.</param>
internal readonly record struct PdDecision(bool Disaggregates, string Reason);
