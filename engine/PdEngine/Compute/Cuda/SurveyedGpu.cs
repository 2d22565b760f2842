namespace PdEngine;

/// <summary>A GPU that the driver shows.</summary>
/// <param name="Ordinal">As the driver counts.</param>
/// <param name="Name">As its maker calls it.</param>
/// <param name="Capability">Compute capability, for example 90 for 9.0.</param>
/// <param name="TotalBytes">All of its memory.</param>
/// <param name="WhyNot">Why the engine cannot use it; null where it can.</param>
internal sealed record SurveyedGpu(int Ordinal, string Name, int Capability, long TotalBytes, string? WhyNot);
