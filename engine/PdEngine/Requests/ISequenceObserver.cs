namespace PdEngine;

/// <summary>
/// Hears of a sequence's progress on its owner's thread; must return at once and never throw.
/// </summary>
internal interface ISequenceObserver
{
    /// <summary>A token was appended. Returns a stop string that it completed, or null.</summary>
    string? OnToken(Sequence sequence);

    /// <summary>The sequence finished; nothing follows.</summary>
    void OnFinished(Sequence sequence);
}
