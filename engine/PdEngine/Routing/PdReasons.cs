namespace PdEngine;

/// <summary>Why a request was disaggregated or was not, as results state it.</summary>
internal static class PdReasons
{
    public const string Always = "always";
    public const string Never = "never";
    public const string Colocated = "colocated";
    public const string LongPrompt = "long prompt";
    public const string ShortPrompt = "short prompt";
    public const string PromptCached = "prompt cached on the decode worker";
    public const string DecodeWorkerIdle = "decode worker idle";
    public const string NothingToDecode = "nothing to decode";
    public const string NoPrefillWorker = "no prefill worker";
    public const string NoDecodeWorker = "no decode worker";
    public const string DecodeWorkerFailed = "decode worker failed";
}
