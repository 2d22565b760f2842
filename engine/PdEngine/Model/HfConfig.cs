namespace PdEngine;

/// <summary>
/// Reads config.json and generation_config.json in the spelling of transformers 4 and of 5.
/// </summary>
internal static class HfConfig
{
    private const string Supported = "supported are LlamaForCausalLM, MistralForCausalLM, Qwen2ForCausalLM " +
                                     "and Qwen3ForCausalLM (dense, text only), and the same " +
                                     "ForSequenceClassification with one label, as reward models";

    private const string LanguageSuffix = "ForCausalLM";
    private const string RewardSuffix = "ForSequenceClassification";

    /// <param name="path">config.json, for messages.</param>
    /// <param name="json">Its bytes.</param>
    /// <param name="generationPath">generation_config.json, for messages.</param>
    /// <param name="generationJson">Its bytes, where there is one; only stop ids are taken from it.</param>
    /// <exception cref="CheckpointException">
    /// A value is missing, of the wrong type or range, or unsupported.
    /// </exception>
    public static ModelConfig Parse(
        string path, ReadOnlyMemory<byte> json, string generationPath = "",
        byte[]? generationJson = null)
    {
        ConfigSection config = ConfigSection.Parse(path, json);
        ModelFamily family = FamilyOf(config);
        RefuseUnsupported(config);
        bool isReward = IsReward(config);
        int hiddenSize = config.Int("hidden_size", 1, ModelLimits.HiddenSize);
        int headCount = config.Int("num_attention_heads", 1, ModelLimits.HeadCount);
        int kvHeadCount = config.OptionalInt("num_key_value_heads", 1, ModelLimits.HeadCount) ?? headCount;
        int headDim = config.OptionalInt("head_dim", 1, ModelLimits.HeadDim)
            ?? (family == ModelFamily.Qwen3 ? 128 : ModelLimits.DerivedHeadDim(path, hiddenSize, headCount));
        ModelLimits.CheckHeads(path, headCount, kvHeadCount, headDim);
        int layerCount = config.Int("num_hidden_layers", 1, ModelLimits.LayerCount);
        int maxPositions = config.OptionalInt("max_position_embeddings", 1, ModelLimits.Positions)
            ?? DefaultPositions(family);
        (RopeConfig rope, maxPositions) = HfRope.Read(path, config, headDim, maxPositions);
        bool attentionBias = config.Flag("attention_bias", false)
            && family is ModelFamily.Llama or ModelFamily.Qwen3;
        return new ModelConfig
        {
            Family = family,
            VocabularySize = config.Int("vocab_size", 1, ModelLimits.VocabularySize),
            HiddenSize = hiddenSize,
            IntermediateSize = config.Int("intermediate_size", 1, ModelLimits.IntermediateSize),
            LayerCount = layerCount,
            HeadCount = headCount,
            KvHeadCount = kvHeadCount,
            HeadDim = headDim,
            RmsNormEpsilon = (float)(config.OptionalNumber("rms_norm_eps", 1e-12, 1) ?? 1e-6),
            MaxPositions = maxPositions,
            Rope = rope,
            TieWordEmbeddings = config.Flag("tie_word_embeddings", false) && !isReward,
            IsReward = isReward,
            QkvBias = attentionBias || family == ModelFamily.Qwen2,
            OutputBias = attentionBias,
            MlpBias = family == ModelFamily.Llama && config.Flag("mlp_bias", false),
            QkNorm = family == ModelFamily.Qwen3,
            SlidingWindows = HfSlidingWindow.Read(config, family, layerCount),
            EosTokenIds = StopIds(config, generationPath, generationJson),
            BosTokenId = config.OptionalInt("bos_token_id", 0, int.MaxValue),
        };
    }

    private static ModelFamily FamilyOf(ConfigSection config)
    {
        string? type = config.Text("model_type");
        List<string>? architectures = config.Texts("architectures");
        ModelFamily? byType = type switch
        {
            "llama" => ModelFamily.Llama,
            "mistral" => ModelFamily.Mistral,
            "qwen2" => ModelFamily.Qwen2,
            "qwen3" => ModelFamily.Qwen3,
            null => null,
            _ => throw Unsupported(config, $"model_type '{Shown.Line(type)}'"),
        };
        if (architectures is not { Count: > 0 })
            return byType ?? throw config.Fault("neither model_type nor architectures says what it is; " +
                                                $"{Supported}");
        ModelFamily byArchitecture = StemOf(architectures[0]) switch
        {
            "Llama" => ModelFamily.Llama,
            "Mistral" => ModelFamily.Mistral,
            "Qwen2" => ModelFamily.Qwen2,
            "Qwen3" => ModelFamily.Qwen3,
            _ => throw Unsupported(config, $"architecture '{Shown.Line(architectures[0])}'"),
        };
        return byType is null || byType == byArchitecture
            ? byArchitecture
            : throw config.Fault($"model_type '{type}' and architecture '{architectures[0]}' contradict " +
                                 "each other");
    }

    /// <summary>An architecture without what its head is for; null where that is something else.</summary>
    private static string? StemOf(string architecture)
    {
        foreach (string suffix in (string[])[LanguageSuffix, RewardSuffix])
        {
            if (architecture.EndsWith(suffix, StringComparison.Ordinal))
                return architecture[..^suffix.Length];
        }
        return null;
    }

    private static bool IsReward(ConfigSection config)
    {
        if (config.Texts("architectures") is not [{ } architecture, ..]
            || !architecture.EndsWith(RewardSuffix, StringComparison.Ordinal))
        {
            return false;
        }
        // transformers writes neither where there are two labels, its default.
        int labels = config.OptionalInt("num_labels", 1, int.MaxValue)
            ?? config.Section("id2label")?.AllTexts().Count() ?? 2;
        return labels == 1 ? true : throw config.Fault(
            $"it has {labels} labels; a reward model has one (num_labels, or one entry in id2label)");
    }

    private static CheckpointException Unsupported(ConfigSection config, string what) =>
        config.Fault($"{what} is not supported yet (mixtures of experts, DeepSeek and multimodal models " +
                     $"are not); {Supported}");

    private static void RefuseUnsupported(ConfigSection config)
    {
        foreach (string key in (string[])["quantization_config", "compression_config"])
        {
            string? method = config.Section(key)?.Text("quant_method");
            if (config.Has(key))
                throw config.Fault($"{key} with quant_method '{method ?? "unknown"}' is not " +
                                   "supported; use the bf16, f16 or f32 weights, or a GGUF file");
        }
        if (config.Text("hidden_act") is { } act and not ("silu" or "swish"))
            throw config.Fault($"hidden_act '{Shown.Line(act)}' is not supported; silu is");
    }

    private static int DefaultPositions(ModelFamily family) => family switch
    {
        ModelFamily.Llama => 2048,
        ModelFamily.Mistral => 131_072,
        _ => 32_768,
    };

    private static List<int> StopIds(
        ConfigSection config, string generationPath, byte[]? generationJson)
    {
        List<int> ids = config.TokenIds("eos_token_id");
        if (generationJson is not null)
            ids.AddRange(ConfigSection.Parse(generationPath, generationJson).TokenIds("eos_token_id"));
        return [.. ids.Distinct()];
    }
}
