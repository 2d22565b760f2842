namespace PdEngine;

/// <summary>
/// Moments in a sequence's life, in ticks of the engine's <see cref="TimeProvider"/>; 0 is not yet.
/// </summary>
internal sealed class SequenceTimes
{
    public long SubmittedTicks { get; set; }

    /// <summary>First admission: blocks reserved, first chunk scheduled.</summary>
    public long AdmittedTicks { get; set; }

    /// <summary>First output token; the end of time to first token.</summary>
    public long FirstTokenTicks { get; set; }

    public long FinishedTicks { get; set; }
}
