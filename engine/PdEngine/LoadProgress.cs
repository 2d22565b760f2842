namespace PdEngine;

/// <summary>How far loading a checkpoint is.</summary>
/// <param name="LoadedParameters">Parameters read.</param>
/// <param name="TotalParameters">Parameters there are.</param>
public readonly record struct LoadProgress(long LoadedParameters, long TotalParameters);
