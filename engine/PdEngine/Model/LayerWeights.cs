namespace PdEngine;

/// <summary>
/// One rank's share of a decoder layer: its heads of attention, its part of the MLP's intermediate width.
/// Matrices are [out, in]; norms and biases [1, out]; null where the model has none.
/// </summary>
internal sealed class LayerWeights
{
    public required Tensor InputNorm { get; init; }

    /// <summary>Rows of q, then k, then v of the rank's heads.</summary>
    public required Matrix Qkv { get; init; }

    public required Tensor? QkvBias { get; init; }

    /// <summary>[1, HeadDim].</summary>
    public required Tensor? QueryNorm { get; init; }

    /// <summary>[1, HeadDim].</summary>
    public required Tensor? KeyNorm { get; init; }

    /// <summary>The rank's input features alone.</summary>
    public required Matrix Output { get; init; }

    /// <summary>Added once, to the sum over the ranks; so is <see cref="DownBias"/>.</summary>
    public required Tensor? OutputBias { get; init; }

    public required Tensor PostAttentionNorm { get; init; }

    /// <summary>Rows of gate and up of the rank's part, in the order of <see cref="GatedRows"/>.</summary>
    public required Matrix GateUp { get; init; }

    public required Tensor? GateUpBias { get; init; }

    /// <summary>The rank's input features alone.</summary>
    public required Matrix Down { get; init; }

    public required Tensor? DownBias { get; init; }

    /// <summary>Reads a rank's share of the weights whose names begin with a prefix.</summary>
    public static LayerWeights Load(
        WeightLoader loader, ModelConfig config, WeightShard shard, string prefix)
    {
        int hidden = config.HiddenSize;
        int ranks = shard.Count;
        (int firstQuery, int queryRows) = shard.PartOf(config.HeadCount * config.HeadDim);
        (int firstInner, int inner) = shard.PartOf(config.IntermediateSize);
        string attention = prefix + "self_attn.";
        string mlp = prefix + "mlp.";
        WeightColumns wide = WeightColumns.All(hidden);
        WeightColumns queries = new(config.HeadCount * config.HeadDim, firstQuery, queryRows);
        WeightColumns inners = new(config.IntermediateSize, firstInner, inner);
        WeightPart[] qkv = QkvParts(config, shard, attention);
        WeightPart gate = new(mlp + "gate_proj", firstInner, inner);
        WeightPart up = new(mlp + "up_proj", firstInner, inner);
        WeightPart output = new(attention + "o_proj", 0, hidden);
        WeightPart down = new(mlp + "down_proj", 0, hidden);
        return new()
        {
            InputNorm = loader.Vector(hidden, prefix + "input_layernorm.weight"),
            Qkv = loader.Matrix(wide, 1, qkv),
            QkvBias = config.QkvBias ? loader.Bias(qkv) : null,
            QueryNorm = config.QkNorm ? loader.Vector(config.HeadDim, attention + "q_norm.weight") : null,
            KeyNorm = config.QkNorm ? loader.Vector(config.HeadDim, attention + "k_norm.weight") : null,
            Output = loader.Matrix(queries, TensorParallel.OutputSegments(config) / ranks, output),
            OutputBias = config.OutputBias ? loader.Bias(output) : null,
            PostAttentionNorm = loader.Vector(hidden, prefix + "post_attention_layernorm.weight"),
            GateUp = loader.GatedMatrix(wide, gate, up),
            GateUpBias = config.MlpBias ? loader.GatedBias(gate, up) : null,
            Down = loader.Matrix(inners, TensorParallel.DownSegments(config) / ranks, down),
            DownBias = config.MlpBias ? loader.Bias(down) : null,
        };
    }

    private static WeightPart[] QkvParts(ModelConfig config, WeightShard shard, string attention)
    {
        (int firstQuery, int queryRows) = shard.PartOf(config.HeadCount * config.HeadDim);
        (int firstHead, int kvHeads) = KvMemory.HeadsOf(config.KvHeadCount, shard.Rank, shard.Count);
        (int firstKv, int kvRows) = (firstHead * config.HeadDim, kvHeads * config.HeadDim);
        return
        [
            new(attention + "q_proj", firstQuery, queryRows), new(attention + "k_proj", firstKv, kvRows),
            new(attention + "v_proj", firstKv, kvRows),
        ];
    }
}
