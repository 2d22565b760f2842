namespace PdEngine;

/// <summary>The tensors, by Hugging Face name, that a model of a given configuration is made of.</summary>
internal static class ModelTensors
{
    public const string Embedding = "model.embed_tokens.weight";
    public const string Head = "lm_head.weight";
    public const string RewardHead = "score.weight";

    /// <summary>Lists them lazily: a configuration may claim more layers than its file has.</summary>
    public static IEnumerable<TensorShape> Of(ModelConfig config)
    {
        long hidden = config.HiddenSize;
        yield return new TensorShape(Embedding, [config.VocabularySize, hidden]);
        for (int layer = 0; layer < config.LayerCount; layer++)
        {
            foreach (TensorShape tensor in OfLayer(config, $"model.layers.{layer}."))
                yield return tensor;
        }
        yield return new TensorShape("model.norm.weight", [hidden]);
        if (config.IsReward)
            yield return new TensorShape(RewardHead, [config.HeadRows, hidden]);
        else if (!config.TieWordEmbeddings)
            yield return new TensorShape(Head, [config.HeadRows, hidden]);
    }

    /// <summary>How many <see cref="Of"/> lists.</summary>
    public static long CountOf(ModelConfig config) => Of(config with { LayerCount = 0 }).Count()
        + (long)config.LayerCount * OfLayer(config, "").Count();

    private static IEnumerable<TensorShape> OfLayer(ModelConfig config, string prefix)
    {
        long hidden = config.HiddenSize;
        long queryWidth = (long)config.HeadCount * config.HeadDim;
        long kvWidth = (long)config.KvHeadCount * config.HeadDim;
        long inner = config.IntermediateSize;
        (string Name, long Out, long In, bool Bias)[] projections =
        [
            ("self_attn.q_proj", queryWidth, hidden, config.QkvBias),
            ("self_attn.k_proj", kvWidth, hidden, config.QkvBias),
            ("self_attn.v_proj", kvWidth, hidden, config.QkvBias),
            ("self_attn.o_proj", hidden, queryWidth, config.OutputBias),
            ("mlp.gate_proj", inner, hidden, config.MlpBias),
            ("mlp.up_proj", inner, hidden, config.MlpBias),
            ("mlp.down_proj", hidden, inner, config.MlpBias),
        ];
        yield return new TensorShape(prefix + "input_layernorm.weight", [hidden]);
        yield return new TensorShape(prefix + "post_attention_layernorm.weight", [hidden]);
        foreach ((string name, long rows, long columns, bool bias) in projections)
        {
            yield return new TensorShape($"{prefix}{name}.weight", [rows, columns]);
            if (bias)
                yield return new TensorShape($"{prefix}{name}.bias", [rows]);
        }
        if (!config.QkNorm)
            yield break;
        yield return new TensorShape(prefix + "self_attn.q_norm.weight", [config.HeadDim]);
        yield return new TensorShape(prefix + "self_attn.k_norm.weight", [config.HeadDim]);
    }
}
