namespace PdEngine;

/// <summary>How far loading a checkpoint is.</summary>
/// <param name="LoadedBytes">Bytes of weights taken in, in the backend's own form.</param>
/// <param name="TotalBytes">Bytes there will be.</param>
public readonly record struct LoadProgress(long LoadedBytes, long TotalBytes);
