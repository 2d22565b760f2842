namespace PdEngine;

/// <summary>
/// Where a sequence is in its life; see <see cref="SequencePhases.CanMoveTo"/> for the legal moves.
/// </summary>
internal enum SequencePhase
{
    /// <summary>Waits for blocks; holds none.</summary>
    Queued,

    /// <summary>Its prompt (or, after a retraction, its tokens so far) is being computed.</summary>
    Prefilling,

    /// <summary>Moves from a prefill worker to a decode worker.</summary>
    HandingOff,

    /// <summary>One token a step.</summary>
    Decoding,

    /// <summary>Ended; holds no blocks.</summary>
    Finished,
}

/// <summary>The table of legal moves between phases.</summary>
internal static class SequencePhases
{
    public static bool CanMoveTo(this SequencePhase from, SequencePhase to) => (from, to) switch
    {
        (SequencePhase.Queued, SequencePhase.Prefilling) => true,
        (SequencePhase.Prefilling, SequencePhase.HandingOff) => true,
        (SequencePhase.Prefilling, SequencePhase.Decoding) => true,
        (SequencePhase.Prefilling, SequencePhase.Queued) => true,
        (SequencePhase.HandingOff, SequencePhase.Decoding) => true,
        (SequencePhase.HandingOff, SequencePhase.Queued) => true,
        (SequencePhase.Decoding, SequencePhase.Queued) => true,
        (SequencePhase.Finished, _) => false,
        (_, SequencePhase.Finished) => true,
        _ => false,
    };
}
