namespace PdEngine.Bench;

/// <summary>The work of a forward pass: what its time is held against.</summary>
internal sealed class ModelWork
{
    private readonly ModelConfig _config;
    private readonly double _layerWeights;
    private readonly double _weightBytes;

    /// <param name="weights">Loaded: the bytes are those that its products read.</param>
    public ModelWork(ModelWeights weights)
    {
        _config = weights.Config;
        AttentionShape shape = new(_config.HeadCount, _config.KvHeadCount, _config.HeadDim);
        _layerWeights = ((double)shape.QkvColumns * _config.HiddenSize)
            + ((double)shape.QueryColumns * _config.HiddenSize)
            + (3.0 * _config.IntermediateSize * _config.HiddenSize);
        _weightBytes = weights.Head!.Bytes;
        foreach (LayerWeights layer in weights.Layers)
            _weightBytes += layer.Qkv.Bytes + layer.Output.Bytes + layer.GateUp.Bytes + layer.Down.Bytes;
    }

    /// <summary>FLOPs of a row; the head runs for the last token of each sequence alone.</summary>
    public double Flops(ModelRowSpec row) =>
        (row.DecodeRows * Flops(1, row.Context))
        + (row.ChunkTokens > 0 ? Flops(row.ChunkTokens, row.Context) : 0);

    /// <summary>Every weight once, and each sequence's K and V.</summary>
    public double Bytes(ModelRowSpec row) =>
        _weightBytes + (row.DecodeRows * KvBytes(row.Context + 1))
        + (row.ChunkTokens > 0 ? KvBytes(row.Positions) : 0);

    private double Flops(int tokens, int context)
    {
        double pairs = (tokens * (double)context) + (tokens * (tokens + 1.0) / 2);
        double attention = 4.0 * pairs * _config.HeadCount * _config.HeadDim * _config.LayerCount;
        double head = 2.0 * _config.VocabularySize * _config.HiddenSize;
        return (2.0 * tokens * _layerWeights * _config.LayerCount) + head + attention;
    }

    private double KvBytes(int positions) =>
        4.0 * positions * _config.KvHeadCount * _config.HeadDim * _config.LayerCount;
}
