namespace PdEngine;

/// <summary>What a sequence's time is spent on; see <see cref="PhaseTimings"/>.</summary>
internal enum SequenceStage
{
    PrefillQueue,
    PrefillForward,
    TransferQueue,
    DecodeAllocWait,
    DecodeTransfer,
    DecodeForward,
}
