namespace PdEngine;

/// <summary>How a sequence was disaggregated, for its result.</summary>
internal sealed class PdRecord
{
    public PdPath Path { get; set; }

    public string Reason { get; set; } = "";

    public string PrefillWorker { get; set; } = "";

    public string DecodeWorker { get; set; } = "";

    public int HandoffBlocks { get; set; }

    public long TransferBytes { get; set; }

    /// <summary>Clock ticks that hand-offs took, without the target's running step.</summary>
    public long HandoffTicks { get; set; }
}
