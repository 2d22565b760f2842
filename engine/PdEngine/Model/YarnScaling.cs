namespace PdEngine;

/// <summary>Parameters of YaRN.</summary>
/// <param name="Factor">How many times longer the context became.</param>
/// <param name="OriginalPositions">Context in tokens before stretching.</param>
/// <param name="BetaFast">Pairs that turn more often than this over the original context are kept.</param>
/// <param name="BetaSlow">Pairs that turn less often than this are fully stretched.</param>
/// <param name="Truncate">Whether the ramp's ends are rounded outward to whole pairs.</param>
internal readonly record struct YarnScaling(
    double Factor, double OriginalPositions, double BetaFast = 32, double BetaSlow = 1, bool Truncate = true);
