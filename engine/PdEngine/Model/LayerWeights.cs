namespace PdEngine;

/// <summary>
/// One decoder layer. Matrices are [out, in]; norms and biases [1, out]; null where the model has none.
/// </summary>
internal sealed class LayerWeights
{
    public required Tensor InputNorm { get; init; }

    /// <summary>Rows of q, then k, then v.</summary>
    public required Matrix Qkv { get; init; }

    public required Tensor? QkvBias { get; init; }

    /// <summary>[1, HeadDim].</summary>
    public required Tensor? QueryNorm { get; init; }

    /// <summary>[1, HeadDim].</summary>
    public required Tensor? KeyNorm { get; init; }

    public required Matrix Output { get; init; }

    public required Tensor? OutputBias { get; init; }

    public required Tensor PostAttentionNorm { get; init; }

    /// <summary>Rows of gate, then up.</summary>
    public required Matrix GateUp { get; init; }

    public required Tensor? GateUpBias { get; init; }

    public required Matrix Down { get; init; }

    public required Tensor? DownBias { get; init; }
}
