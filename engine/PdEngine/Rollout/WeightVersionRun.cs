namespace PdEngine;

/// <summary>Consecutive tokens that were made with the same weights.</summary>
/// <param name="Version">Name of the weights.</param>
/// <param name="Tokens">How many tokens.</param>
public readonly record struct WeightVersionRun(string Version, int Tokens);
