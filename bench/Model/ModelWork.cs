namespace PdEngine.Bench;

/// <summary>The work of a forward pass: what its time is held against.</summary>
internal sealed class ModelWork
{
    private readonly ModelConfig _config;
    private readonly double _weightBytes;

    /// <param name="weights">Loaded: the bytes are those that its products read.</param>
    public ModelWork(ModelWeights weights)
    {
        _config = weights.Config;
        _weightBytes = weights.Head!.Bytes;
        foreach (LayerWeights layer in weights.Layers)
            _weightBytes += layer.Qkv.Bytes + layer.Output.Bytes + layer.GateUp.Bytes + layer.Down.Bytes;
    }

    /// <summary>FLOPs of a row; the head runs for the last token of each sequence alone.</summary>
    public double Flops(ModelRowSpec row) =>
        (row.DecodeRows * Flops(_config, 1, row.Context))
        + (row.ChunkTokens > 0 ? Flops(_config, row.ChunkTokens, row.Context) : 0);

    /// <summary>Every weight once, and each sequence's K and V.</summary>
    public double Bytes(ModelRowSpec row) =>
        _weightBytes + (row.DecodeRows * KvBytes(row.Context + 1))
        + (row.ChunkTokens > 0 ? KvBytes(row.Positions) : 0);

    /// <summary>FLOPs of some tokens of one sequence; the head runs for the last of them alone.</summary>
    /// <param name="config">Of the model.</param>
    /// <param name="tokens">How many.</param>
    /// <param name="context">Positions behind the first of them.</param>
    public static double Flops(ModelConfig config, int tokens, int context)
    {
        AttentionShape shape = new(config.HeadCount, config.KvHeadCount, config.HeadDim);
        double columns = shape.QkvColumns + shape.QueryColumns + (3.0 * config.IntermediateSize);
        double pairs = (tokens * (double)context) + (tokens * (tokens + 1.0) / 2);
        double attention = 4.0 * pairs * config.HeadCount * config.HeadDim * config.LayerCount;
        double head = 2.0 * config.HeadRows * config.HiddenSize;
        return (2.0 * tokens * columns * config.HiddenSize * config.LayerCount) + head + attention;
    }

    private double KvBytes(int positions) =>
        4.0 * positions * _config.KvHeadCount * _config.HeadDim * _config.LayerCount;
}
