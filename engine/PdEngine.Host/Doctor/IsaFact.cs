namespace PdEngine.Host;

/// <summary>An instruction set of the CPU backend.</summary>
/// <param name="Name">As <c>--isa</c> takes it.</param>
/// <param name="WhyNot">Why this process cannot run it; null where it can.</param>
internal sealed record IsaFact(string Name, string? WhyNot);
