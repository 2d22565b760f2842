namespace PdEngine.Tests;

/// <summary>Kinds of bug that the simulation must catch.</summary>
public enum PlantedBug
{
    None,
    BlockFreedEarly,
    ReleaseForgotten,
    BlockAliased,
    ComputedTooFar,
    LockReleasedTwice,
    LockForgotten,
    SlotNotWritten,
    ResultsSwapped,
    CachedUnderOtherTokens,
    UnfinishedBlockCached,
    TokenAppendedTwice,
    AbortIgnored,
    ScoredTwiceAfterRetraction,
    RetractionKeepsCount,
    HistoryDropped,
    SuppressedDrawn,
    StopStringMissed,
    EvictedBlockKept,
}
