namespace PdEngine;

/// <summary>A sequence came into a stage.</summary>
/// <param name="Stage">Which.</param>
/// <param name="Ticks">Of the engine's clock.</param>
internal readonly record struct StageStart(SequenceStage Stage, long Ticks);
