namespace PdEngine.Tests;

/// <summary>What can happen to sequences between workers and must not be left out.</summary>
internal enum Happening
{
    /// <summary>A sequence that runs where its prompt was computed gave its blocks back.</summary>
    RetractedWhereItBegan,

    /// <summary>One that was handed over was sent back to its prefill worker.</summary>
    RetractedToItsPrefillWorker,

    /// <summary>One that had arrived, but not begun, gave its blocks back.</summary>
    RetractedOnArrival,

    /// <summary>One was retracted whose prefill worker is dead: it is computed where it was.</summary>
    RetractedWithoutItsPrefillWorker,

    /// <summary>The last sequence of a worker claimed what becomes free.</summary>
    Claimed,

    /// <summary>A worker waited for its turn to admit.</summary>
    AwaitedTurn,

    /// <summary>A queued sequence waited for its worker's quota only.</summary>
    QueuedOverQuota,

    /// <summary>A sequence that arrived waited for the quota of the decode worker only.</summary>
    ArrivedOverQuota,

    CancelledWhenExpected,
    CancelledWhenPartlyCopied,
    CancelledWhenComplete,
    DecodedWhereDecodeWorkerDied,
    KilledWhileCopying,
    KilledWhileComputing,
    CopyFailed,
    Restarted,
    RestartedWhileHanging,
    AllDead,
    Forked,
    CachedOnDecodeWorker,
    CopiedBesideCached,
    Updated,
    PausedLater,
    RestartedWhilePaused,
    MixedKv,
    MixedKvHandedOver,
    ScoredAnew,
    SteppedMeanwhile,
    Slept,

    /// <summary>All KV memory was given back while sequences waited.</summary>
    Vacated,

    /// <summary>A sequence stopped that a started batch had: what that one drew was dropped.</summary>
    StoppedLate,

    /// <summary>A sequence was to be aborted while a started batch had it.</summary>
    AbortedLate,
}
