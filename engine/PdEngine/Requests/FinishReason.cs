namespace PdEngine;

/// <summary>Why a generation ended.</summary>
public enum FinishReason
{
    /// <summary>A stop id or stop string was met.</summary>
    Stop,

    /// <summary>MaxNewTokens or the context length was reached.</summary>
    Length,

    /// <summary>The caller aborted it; the tokens made so far are kept.</summary>
    Abort,

    /// <summary>It failed; the tokens made so far are kept and the error says why.</summary>
    Error,
}
