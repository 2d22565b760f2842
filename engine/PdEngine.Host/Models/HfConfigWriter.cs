using System.Text.Json;

namespace PdEngine.Host;

/// <summary>Writes a GGUF file's configuration as Hugging Face's config.json.</summary>
internal static class HfConfigWriter
{
    private const int LlamaPositions = 8192;

    /// <exception cref="CheckpointException">config.json has no word for something in it.</exception>
    public static byte[] Write(GgufCheckpoint source)
    {
        ModelConfig config = source.Config;
        bool hasWindow = config.SlidingWindows.Any(window => window != 0);
        (string type, string stem) = config.Family switch
        {
            ModelFamily.Qwen2 => ("qwen2", "Qwen2"),
            ModelFamily.Qwen3 => ("qwen3", "Qwen3"),
            _ => hasWindow ? ("mistral", "Mistral") : ("llama", "Llama"),
        };
        bool hasOneBias = config.Family == ModelFamily.Qwen2
            ? config.QkvBias && !config.OutputBias
            : config.QkvBias == config.OutputBias && !(hasWindow && config.QkvBias);
        if (!hasOneBias || (config.MlpBias && type != "llama"))
        {
            throw new CheckpointException(source.Path,
                $"config.json has no word for the biases that this {config.Family} model has");
        }
        using MemoryStream text = new();
        using (Utf8JsonWriter json = new(text, AnswerWriter.Style with { Indented = true }))
        {
            json.WriteStartObject();
            json.WriteStartArray("architectures");
            json.WriteStringValue($"{stem}ForCausalLM");
            json.WriteEndArray();
            json.WriteString("model_type", type);
            WriteSizes(json, config, type);
            if (hasWindow)
                json.WriteNumber("sliding_window", config.SlidingWindows[0]);
            WriteRope(json, source);
            json.WriteEndObject();
        }
        return text.ToArray();
    }

    private static void WriteSizes(Utf8JsonWriter json, ModelConfig config, string type)
    {
        json.WriteNumber("vocab_size", config.VocabularySize);
        json.WriteNumber("hidden_size", config.HiddenSize);
        json.WriteNumber("intermediate_size", config.IntermediateSize);
        json.WriteNumber("num_hidden_layers", config.LayerCount);
        json.WriteNumber("num_attention_heads", config.HeadCount);
        json.WriteNumber("num_key_value_heads", config.KvHeadCount);
        json.WriteNumber("head_dim", config.HeadDim);
        json.WriteString("hidden_act", "silu");
        json.WriteNumber("rms_norm_eps", config.RmsNormEpsilon);
        json.WriteNumber("max_position_embeddings", config.MaxPositions);
        json.WriteBoolean("tie_word_embeddings", config.TieWordEmbeddings);
        if (type is "llama" or "qwen3")
            json.WriteBoolean("attention_bias", config.QkvBias);
        if (type == "llama")
            json.WriteBoolean("mlp_bias", config.MlpBias);
        if (config.BosTokenId is { } bos)
            json.WriteNumber("bos_token_id", bos);
        if (config.EosTokenIds is [int only])
        {
            json.WriteNumber("eos_token_id", only);
        }
        else if (config.EosTokenIds.Count > 1)
        {
            json.WriteStartArray("eos_token_id");
            foreach (int id in config.EosTokenIds)
                json.WriteNumberValue(id);
            json.WriteEndArray();
        }
    }

    private static void WriteRope(Utf8JsonWriter json, GgufCheckpoint source)
    {
        GgufMetadata keys = source.File.Metadata;
        string prefix = $"{keys.Text("general.architecture")}.rope";
        double theta = keys.OptionalNumber($"{prefix}.freq_base", 1, 1e15) ?? 10_000;
        double Scaling(string name, double otherwise) =>
            keys.OptionalNumber($"{prefix}.scaling.{name}", 0, 1e9) ?? otherwise;
        ModelConfig config = source.Config;
        json.WriteNumber("rope_theta", theta);
        if (source.File.Tensors.ContainsKey(GgufNames.RopeFactors))
        {
            WriteBaked(json, source, theta);
            return;
        }
        if (GgufExport.PlainTheta(config.HeadDim, config.Rope.InverseFrequencies) == theta)
            return;
        double factor = Scaling("factor", keys.OptionalNumber($"{prefix}.scale_linear", 0, 1e9) ?? 1);
        bool isYarn = keys.Text($"{prefix}.scaling.type") == "yarn";
        if (!isYarn && factor is 0 or 1)
            return;
        json.WriteStartObject("rope_scaling");
        json.WriteString("rope_type", isYarn ? "yarn" : "linear");
        json.WriteNumber("factor", factor);
        if (isYarn)
        {
            json.WriteNumber(
                "original_max_position_embeddings",
                (int)Scaling("original_context_length", config.MaxPositions));
            json.WriteNumber("beta_fast", Scaling("yarn_beta_fast", 32));
            json.WriteNumber("beta_slow", Scaling("yarn_beta_slow", 1));
            json.WriteNumber("attention_factor", config.Rope.AttentionFactor);
        }
        json.WriteEndObject();
    }

    /// <summary>
    /// Baked factors are frequencies without their recipe: plain ones, or Llama 3's with one of its numbers.
    /// </summary>
    private static void WriteBaked(Utf8JsonWriter json, GgufCheckpoint source, double theta)
    {
        float[] wanted = source.Config.Rope.InverseFrequencies;
        int headDim = source.Config.HeadDim;
        IEnumerable<(double Theta, double Factor)> recipes =
            from base_ in (double[])[theta, 500_000, 1_000_000] from factor in (double[])[8, 32, 16, 4, 2]
            select (base_, factor);
        foreach ((double tried, double factor) in recipes)
        {
            double[] made = RopeScaling.Llama3(headDim, tried, factor, 1, 4, LlamaPositions);
            if (made.Where((frequency, pair) => Math.Abs(frequency - wanted[pair]) > 1e-6 * frequency).Any())
                continue;
            if (tried != theta)
                json.WriteStartObject("rope_parameters");
            else
                json.WriteStartObject("rope_scaling");
            if (tried != theta)
                json.WriteNumber("rope_theta", tried);
            json.WriteString("rope_type", "llama3");
            json.WriteNumber("factor", factor);
            json.WriteNumber("low_freq_factor", 1);
            json.WriteNumber("high_freq_factor", 4);
            json.WriteNumber("original_max_position_embeddings", LlamaPositions);
            json.WriteEndObject();
            return;
        }
        throw new CheckpointException(source.Path,
            $"tensor '{GgufNames.RopeFactors}' holds rope factors of no recipe that config.json names");
    }
}
