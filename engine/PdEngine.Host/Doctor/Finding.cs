namespace PdEngine.Host;

/// <summary>Something that is missing or in the way.</summary>
/// <param name="IsFatal">Nothing can be computed with native kernels.</param>
/// <param name="What">What it is, and what it costs.</param>
/// <param name="Remedy">What to do.</param>
internal sealed record Finding(bool IsFatal, string What, string Remedy);
