namespace PdEngine;

/// <summary>Consecutive heads of one store that become consecutive heads of another.</summary>
/// <param name="SourceHead">First, as the source counts.</param>
/// <param name="TargetHead">First, as the target counts.</param>
/// <param name="HeadCount">How many.</param>
internal readonly record struct KvHeadRun(int SourceHead, int TargetHead, int HeadCount);
