namespace PdEngine;

/// <summary>Why a request was disaggregated or was not, as results state it.</summary>
internal static class PdReasons
{
    public const string DecodeWorkerFailed = "decode worker failed";
    public const string NoDecodeWorker = "no decode worker";
    public const string NothingToDecode = "nothing to decode";
    public const string Colocated = "colocated";
}
