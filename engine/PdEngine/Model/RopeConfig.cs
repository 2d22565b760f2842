namespace PdEngine;

/// <summary>
/// Rotary position embedding with any scaling already applied: pair (j, j + headDim/2) of position p turns by
/// p * InverseFrequencies[j], and cos and sin are multiplied by <paramref name="AttentionFactor"/>.
/// </summary>
/// <param name="InverseFrequencies">Radians per position [headDim / 2].</param>
/// <param name="AttentionFactor">Factor on cos and sin (yarn); 1 otherwise.</param>
internal sealed record RopeConfig(float[] InverseFrequencies, float AttentionFactor);
