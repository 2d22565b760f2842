namespace PdEngine;

/// <summary>What tells one set of weights from another: where they come from and how they are held.</summary>
internal readonly record struct WeightSource(string Path, Quantization Quantization);
