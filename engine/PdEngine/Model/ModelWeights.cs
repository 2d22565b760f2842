namespace PdEngine;

/// <summary>
/// A model's weights in a backend's own form; immutable, shared by every worker on that backend.
/// </summary>
internal sealed class ModelWeights : IDisposable
{
    private const int MaxSegments = 4;

    private readonly IReadOnlyList<IDisposable> _owned;

    private ModelWeights(
        ModelConfig config, Matrix embedding, IReadOnlyList<LayerWeights> layers, Tensor finalNorm,
        Matrix head, WeightLoader loader)
    {
        Config = config;
        Embedding = embedding;
        Layers = layers;
        FinalNorm = finalNorm;
        Head = head;
        Bytes = loader.HeldBytes;
        _owned = loader.Loaded;
    }

    public ModelConfig Config { get; }

    /// <summary>[VocabularySize, HiddenSize].</summary>
    public Matrix Embedding { get; }

    public IReadOnlyList<LayerWeights> Layers { get; }

    public Tensor FinalNorm { get; }

    /// <summary>[VocabularySize, HiddenSize]; the embedding itself where the model ties them.</summary>
    public Matrix Head { get; }

    /// <summary>Memory that the weights take as the backend holds them.</summary>
    public long Bytes { get; }

    /// <summary>Reads every weight of a checkpoint into a backend.</summary>
    /// <param name="checkpoint">May be disposed afterwards.</param>
    /// <param name="backend">Whose form the weights take.</param>
    /// <param name="progress">
    /// Hears the bytes read so far, counted as float32, after each weight; the last is <see
    /// cref="LoadBytes"/>.
    /// </param>
    public static ModelWeights Load(
        ICheckpoint checkpoint, IBackend backend, IProgress<long>? progress = null)
    {
        ModelConfig config = checkpoint.Config;
        WeightLoader loader = new(checkpoint, backend, progress);
        try
        {
            Matrix embedding =
                loader.Matrix(config.HiddenSize, 1, ("model.embed_tokens", config.VocabularySize));
            LayerWeights[] layers = new LayerWeights[config.LayerCount];
            for (int layer = 0; layer < layers.Length; layer++)
                layers[layer] = LoadLayer(loader, config, $"model.layers.{layer}.");
            Tensor finalNorm = loader.Vector(config.HiddenSize, "model.norm.weight");
            Matrix head = config.TieWordEmbeddings
                ? embedding
                : loader.Matrix(config.HiddenSize, 1, ("lm_head", config.VocabularySize));
            return new(config, embedding, layers, finalNorm, head, loader);
        }
        catch
        {
            loader.Dispose();
            throw;
        }
    }

    /// <summary>What a load reads in all, in bytes of float32.</summary>
    public static long LoadBytes(ModelConfig config)
    {
        long hidden = config.HiddenSize;
        long queryRows = (long)config.HeadCount * config.HeadDim;
        long qkvRows = queryRows + (2L * config.KvHeadCount * config.HeadDim);
        long gateUpRows = 2L * config.IntermediateSize;
        long layer = (2 * hidden) + (qkvRows * hidden) + (hidden * queryRows) + (gateUpRows * hidden)
            + (hidden * config.IntermediateSize);
        layer += config.QkvBias ? qkvRows : 0;
        layer += config.OutputBias ? hidden : 0;
        layer += config.MlpBias ? gateUpRows + hidden : 0;
        layer += config.QkNorm ? 2 * config.HeadDim : 0;
        long tables = (config.TieWordEmbeddings ? 1 : 2) * config.VocabularySize * hidden;
        return (tables + hidden + (layer * config.LayerCount)) * sizeof(float);
    }

    /// <summary>
    /// Segments of a row-parallel product whose input features come in <paramref name="units"/> equal parts:
    /// 4, or as many as divide them, so that 1, 2 and 4 devices add up the same partial sums.
    /// </summary>
    public static int SegmentsFor(int units)
    {
        int segments = MaxSegments;
        while (units % segments != 0)
            segments /= 2;
        return segments;
    }

    public void Dispose()
    {
        foreach (IDisposable weight in _owned)
            weight.Dispose();
    }

    private static LayerWeights LoadLayer(WeightLoader loader, ModelConfig config, string prefix)
    {
        int hidden = config.HiddenSize;
        int inner = config.IntermediateSize;
        int queryRows = config.HeadCount * config.HeadDim;
        int kvRows = config.KvHeadCount * config.HeadDim;
        string attention = prefix + "self_attn.";
        string mlp = prefix + "mlp.";
        (string, int)[] qkv =
        [
            (attention + "q_proj", queryRows), (attention + "k_proj", kvRows), (attention + "v_proj", kvRows),
        ];
        (string, int)[] gateUp = [(mlp + "gate_proj", inner), (mlp + "up_proj", inner)];
        return new()
        {
            InputNorm = loader.Vector(hidden, prefix + "input_layernorm.weight"),
            Qkv = loader.Matrix(hidden, 1, qkv),
            QkvBias = config.QkvBias ? loader.Bias(qkv) : null,
            QueryNorm = config.QkNorm ? loader.Vector(config.HeadDim, attention + "q_norm.weight") : null,
            KeyNorm = config.QkNorm ? loader.Vector(config.HeadDim, attention + "k_norm.weight") : null,
            Output = loader.Matrix(queryRows, SegmentsFor(config.HeadCount), (attention + "o_proj", hidden)),
            OutputBias = config.OutputBias ? loader.Bias((attention + "o_proj", hidden)) : null,
            PostAttentionNorm = loader.Vector(hidden, prefix + "post_attention_layernorm.weight"),
            GateUp = loader.Matrix(hidden, 1, gateUp),
            GateUpBias = config.MlpBias ? loader.Bias(gateUp) : null,
            Down = loader.Matrix(inner, SegmentsFor(inner), (mlp + "down_proj", hidden)),
            DownBias = config.MlpBias ? loader.Bias((mlp + "down_proj", hidden)) : null,
        };
    }
}
