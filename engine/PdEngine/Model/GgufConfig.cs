namespace PdEngine;

/// <summary>Reads a model's configuration from a GGUF file's metadata and tensor table.</summary>
internal sealed class GgufConfig
{
    private const double MaxTheta = 1e15;
    private const double MaxFactor = 1e6;

    private readonly GgufFile _file;
    private readonly GgufMetadata _keys;
    private readonly string _architecture;

    private GgufConfig(GgufFile file, string architecture)
    {
        _file = file;
        _keys = file.Metadata;
        _architecture = architecture;
    }

    /// <exception cref="CheckpointException">A key is missing or unsupported.</exception>
    public static ModelConfig Read(GgufFile file)
    {
        string architecture = file.Metadata.Text("general.architecture")
            ?? throw file.Metadata.Fault("general.architecture", "is missing");
        ModelFamily family = architecture switch
        {
            "llama" => ModelFamily.Llama,
            "qwen2" => ModelFamily.Qwen2,
            "qwen3" => ModelFamily.Qwen3,
            _ => throw new CheckpointException(
                file.Path, $"architecture '{Shown.Line(architecture)}' is not supported yet " +
                           "(mixtures " +
                           "of experts, DeepSeek and multimodal models are not); supported are llama " +
                           "(Mistral and SmolLM2 too), qwen2 and qwen3"),
        };
        return new GgufConfig(file, architecture).Read(family);
    }

    private ModelConfig Read(ModelFamily family)
    {
        if (_keys.OptionalInt("split.count", 0, ushort.MaxValue) is > 1 and int parts)
            throw _keys.Fault("split.count", $"is {parts}; merge the parts into one file");
        if (_keys.OptionalInt(Key("expert_count"), 0, int.MaxValue) is > 0 and int experts)
            throw _keys.Fault(Key("expert_count"), $"is {experts}; mixtures of experts are not supported " +
                                                   "yet");
        int hiddenSize = _keys.Int(Key("embedding_length"), 1, ModelLimits.HiddenSize);
        int headCount = _keys.Int(Key("attention.head_count"), 1, ModelLimits.HeadCount);
        int kvHeadCount =
            _keys.OptionalInt(Key("attention.head_count_kv"), 1, ModelLimits.HeadCount) ?? headCount;
        int headDim = ReadHeadDim(hiddenSize, headCount);
        ModelLimits.CheckHeads(_file.Path, headCount, kvHeadCount, headDim);
        int layerCount = _keys.Int(Key("block_count"), 1, ModelLimits.LayerCount);
        int maxPositions = _keys.Int(Key("context_length"), 1, ModelLimits.Positions);
        (RopeConfig rope, maxPositions) = ReadRope(headDim, maxPositions);
        return new ModelConfig
        {
            Family = family,
            VocabularySize = ReadVocabularySize(),
            HiddenSize = hiddenSize,
            IntermediateSize = _keys.Int(Key("feed_forward_length"), 1, ModelLimits.IntermediateSize),
            LayerCount = layerCount,
            HeadCount = headCount,
            KvHeadCount = kvHeadCount,
            HeadDim = headDim,
            RmsNormEpsilon = (float)_keys.Number(Key("attention.layer_norm_rms_epsilon"), 1e-12, 1),
            MaxPositions = maxPositions,
            Rope = rope,
            TieWordEmbeddings = !_file.Tensors.ContainsKey("output.weight"),
            QkvBias = family == ModelFamily.Qwen2 || _file.Tensors.ContainsKey("blk.0.attn_q.bias"),
            OutputBias = _file.Tensors.ContainsKey("blk.0.attn_output.bias"),
            MlpBias = _file.Tensors.ContainsKey("blk.0.ffn_gate.bias"),
            QkNorm = family == ModelFamily.Qwen3,
            SlidingWindows = ReadWindows(family, layerCount, maxPositions),
            EosTokenIds = ReadStopIds(),
            BosTokenId = _keys.OptionalInt("tokenizer.ggml.bos_token_id", 0, int.MaxValue),
        };
    }

    private int ReadHeadDim(int hiddenSize, int headCount)
    {
        int headDim = _keys.OptionalInt(Key("attention.key_length"), 1, ModelLimits.HeadDim)
            ?? ModelLimits.DerivedHeadDim(_file.Path, hiddenSize, headCount);
        int valueDim = _keys.OptionalInt(Key("attention.value_length"), 1, ModelLimits.HeadDim) ?? headDim;
        if (valueDim != headDim)
            throw _keys.Fault(Key("attention.value_length"), $"is {valueDim}; only the {headDim} of keys " +
                                                             "is supported");
        int rotated = _keys.OptionalInt(Key("rope.dimension_count"), 1, ModelLimits.HeadDim) ?? headDim;
        if (rotated != headDim)
            throw _keys.Fault(
                Key("rope.dimension_count"), $"is {rotated}; only models that rotate whole heads of " +
                                             $"{headDim} are supported");
        return headDim;
    }

    private int ReadVocabularySize()
    {
        if (!_file.Tensors.TryGetValue("token_embd.weight", out GgufTensor? embedding))
            throw new CheckpointException(_file.Path, "tensor 'token_embd.weight' is missing");
        return embedding.Shape.Length == 2 && embedding.Shape[0] is >= 1 and <= ModelLimits.VocabularySize
            ? (int)embedding.Shape[0]
            : throw new CheckpointException(
                _file.Path, $"tensor 'token_embd.weight' has shape {TensorShape.Show(embedding.Shape)}; " +
                            "[vocabulary, " +
                            $"hidden] with a vocabulary from 1 to {ModelLimits.VocabularySize} is due");
    }

    private int[] ReadWindows(ModelFamily family, int layerCount, int maxPositions)
    {
        int window = _keys.OptionalInt(Key("attention.sliding_window"), 0, ModelLimits.Positions) ?? 0;
        if (window >= maxPositions)
            window = 0;
        if (window > 0 && family != ModelFamily.Llama)
            throw _keys.Fault(
                Key("attention.sliding_window"), $"is {window}, and nothing says for which layers; use the " +
                                                 "Hugging Face folder");
        int[] windows = new int[layerCount];
        Array.Fill(windows, window);
        return windows;
    }

    private List<int> ReadStopIds()
    {
        List<int> ids = [];
        foreach (string name in (string[])["eos_token_id", "eot_token_id", "eom_token_id"])
        {
            if (_keys.OptionalInt($"tokenizer.ggml.{name}", 0, int.MaxValue) is { } id && !ids.Contains(id))
                ids.Add(id);
        }
        return ids;
    }

    private (RopeConfig Rope, int MaxPositions) ReadRope(int headDim, int maxPositions)
    {
        double theta = _keys.OptionalNumber(Key("rope.freq_base"), 1, MaxTheta) ?? 10_000;
        // llama.cpp takes a factor without a type for linear scaling, and a factor of 0 for none.
        double factor = _keys.OptionalNumber(Key("rope.scaling.factor"), 0, MaxFactor)
            ?? _keys.OptionalNumber(Key("rope.scale_linear"), 0, MaxFactor) ?? 1;
        factor = factor == 0 ? 1 : factor;
        string kind = _keys.Text(Key("rope.scaling.type")) ?? "linear";
        double attentionFactor = 1;
        double[] frequencies;
        switch (kind)
        {
            case "none":
                frequencies = RopeScaling.Plain(headDim, theta);
                break;
            case "linear":
                frequencies = RopeScaling.Linear(headDim, theta, factor);
                break;
            case "yarn":
                (frequencies, attentionFactor, maxPositions) = ReadYarn(headDim, theta, factor, maxPositions);
                break;
            default:
                throw _keys.Fault(
                    Key("rope.scaling.type"), $"is '{Shown.Line(kind)}'; none, linear and " +
                                              "yarn are supported");
        }
        DivideByBakedFactors(frequencies);
        return (RopeScaling.Rounded(_file.Path, frequencies, attentionFactor), maxPositions);
    }

    private (double[] Frequencies, double AttentionFactor, int MaxPositions) ReadYarn(
        int headDim, double theta, double factor, int maxPositions)
    {
        if (theta <= 1)
            throw _keys.Fault(Key("rope.freq_base"), $"is {theta}; yarn needs one above 1");
        if (_keys.OptionalNumber(Key("rope.scaling.yarn_ext_factor"), -1, MaxFactor) is { } share and not 1)
            throw _keys.Fault(Key("rope.scaling.yarn_ext_factor"), $"is {share}; only 1 is supported");
        int original = _keys.OptionalInt(
            Key("rope.scaling.original_context_length"), 1, ModelLimits.Positions) ?? maxPositions;
        YarnScaling yarn = new(
            factor, original,
            _keys.OptionalNumber(Key("rope.scaling.yarn_beta_fast"), 1e-6, MaxFactor) ?? 32,
            _keys.OptionalNumber(Key("rope.scaling.yarn_beta_slow"), 1e-6, MaxFactor) ?? 1);
        double attentionFactor = RopeScaling.YarnMagnitude(factor)
            * (_keys.OptionalNumber(Key("rope.scaling.attn_factor"), 1e-6, MaxFactor) ?? 1)
            * (_keys.OptionalNumber(Key("rope.scaling.yarn_attn_factor"), 1e-6, MaxFactor) ?? 1);
        double stretched = Math.Min(Math.Floor(factor * original), ModelLimits.Positions);
        maxPositions = Math.Max(maxPositions, (int)stretched);
        return (RopeScaling.Yarn(headDim, theta, yarn), attentionFactor, maxPositions);
    }

    private void DivideByBakedFactors(double[] frequencies)
    {
        if (!_file.Tensors.TryGetValue(GgufNames.RopeFactors, out GgufTensor? tensor))
            return;
        if (tensor.Shape is not [long count] || count != frequencies.Length)
            throw new CheckpointException(
                _file.Path, $"tensor '{GgufNames.RopeFactors}' has shape {TensorShape.Show(tensor.Shape)}; " +
                            $"[{frequencies.Length}] is due");
        float[] factors = new float[frequencies.Length];
        _file.Read(tensor, 0, factors);
        for (int pair = 0; pair < factors.Length; pair++)
        {
            if (!float.IsFinite(factors[pair]) || factors[pair] <= 0)
                throw new CheckpointException(
                    _file.Path, $"tensor '{GgufNames.RopeFactors}' holds {factors[pair]} at {pair}");
            frequencies[pair] /= factors[pair];
        }
    }

    private string Key(string name) => $"{_architecture}.{name}";
}
