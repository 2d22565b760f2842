namespace PdEngine.Host;

/// <summary>A flag to complete.</summary>
/// <param name="Names">With their dashes.</param>
/// <param name="Description">A few words.</param>
/// <param name="TakesValue">A word follows it.</param>
/// <param name="TakesFile">That is a file or folder.</param>
/// <param name="Values">What it may be, where that is known.</param>
internal sealed record CompletedFlag(
    IReadOnlyList<string> Names, string Description, bool TakesValue, bool TakesFile,
    IReadOnlyList<string> Values);
