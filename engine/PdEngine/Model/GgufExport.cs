namespace PdEngine;

/// <summary>Writes an open checkpoint as a GGUF file that this engine and llama.cpp read.</summary>
internal static class GgufExport
{
    /// <param name="source">The model.</param>
    /// <param name="path">The file to write.</param>
    /// <param name="type">
    /// Type of its matrices; vectors stay F32. One that <see cref="GgufEncoder.CanEncode"/>.
    /// </param>
    /// <param name="vocabulary">Its tokenizer, or null for none.</param>
    /// <exception cref="CheckpointException">GGUF has no word for something in the model.</exception>
    public static void Write(ICheckpoint source, string path, GgufType type, GgufVocabulary? vocabulary)
    {
        ModelConfig config = source.Config;
        if (config.IsReward)
            throw new CheckpointException(source.Path, "a reward model cannot be written as GGUF");
        GgufWriter writer = new();
        string architecture = config.Family switch
        {
            ModelFamily.Qwen2 => "qwen2",
            ModelFamily.Qwen3 => "qwen3",
            _ => "llama",
        };
        WriteSizes(writer, config, architecture);
        WriteRope(writer, source, architecture);
        if (vocabulary is not null)
            WriteVocabulary(writer, vocabulary);
        foreach (TensorShape tensor in ModelTensors.Of(config))
        {
            bool isMatrix = tensor.Shape.Length > 1;
            writer.AddTensor(
                GgufNames.ToGguf(tensor.Name)!, isMatrix ? type : GgufType.F32, tensor.Shape,
                FillOf(source, tensor, architecture == "llama" && GgufNames.IsRotated(tensor.Name)));
        }
        writer.Write(path);
    }

    private static void WriteSizes(GgufWriter writer, ModelConfig config, string architecture)
    {
        writer.AddText("general.architecture", architecture);
        writer.AddText("general.name", $"{architecture} export");
        writer.AddInteger($"{architecture}.block_count", (uint)config.LayerCount);
        writer.AddInteger($"{architecture}.context_length", (uint)config.MaxPositions);
        writer.AddInteger($"{architecture}.embedding_length", (uint)config.HiddenSize);
        writer.AddInteger($"{architecture}.feed_forward_length", (uint)config.IntermediateSize);
        writer.AddInteger($"{architecture}.attention.head_count", (uint)config.HeadCount);
        writer.AddInteger($"{architecture}.attention.head_count_kv", (uint)config.KvHeadCount);
        writer.AddInteger($"{architecture}.attention.key_length", (uint)config.HeadDim);
        writer.AddInteger($"{architecture}.attention.value_length", (uint)config.HeadDim);
        writer.AddNumber($"{architecture}.attention.layer_norm_rms_epsilon", config.RmsNormEpsilon);
        writer.AddInteger($"{architecture}.rope.dimension_count", (uint)config.HeadDim);
        writer.AddInteger($"{architecture}.vocab_size", (uint)config.VocabularySize);
    }

    /// <summary>
    /// A configuration keeps frequencies, not the recipe that made them: plain ones are written as their
    /// base, any others as plain ones of base 10000 and the ratio to them.
    /// </summary>
    private static void WriteRope(GgufWriter writer, ICheckpoint source, string architecture)
    {
        RopeConfig rope = source.Config.Rope;
        if (rope.AttentionFactor != 1 || source.Config.SlidingWindows.Any(window => window != 0))
            throw new CheckpointException(
                source.Path, "a model with a rope attention factor or sliding windows cannot be written as " +
                             "GGUF");
        int headDim = source.Config.HeadDim;
        // The lowest frequency is nearly 1 / base: a higher one would raise its float32 rounding to a power.
        int last = headDim / 2 - 1;
        double theta = last == 0
            ? 10_000
            : Math.Round(Math.Pow(rope.InverseFrequencies[last], -headDim / 2.0 / last));
        double[] plain = RopeScaling.Plain(headDim, Math.Max(1, theta));
        bool isPlain = !plain.Where((frequency, pair) =>
            Math.Abs(frequency - rope.InverseFrequencies[pair]) > 1e-6 * frequency).Any();
        if (!isPlain)
        {
            theta = 10_000;
            plain = RopeScaling.Plain(headDim, theta);
        }
        writer.AddNumber($"{architecture}.rope.freq_base", (float)theta);
        if (isPlain)
            return;
        float[] factors = new float[plain.Length];
        for (int pair = 0; pair < factors.Length; pair++)
            factors[pair] = (float)(plain[pair] / rope.InverseFrequencies[pair]);
        writer.AddTensor(
            GgufNames.RopeFactors, GgufType.F32, [factors.Length],
            (first, values) => factors.AsSpan((int)first, values.Length).CopyTo(values));
    }

    private static void WriteVocabulary(GgufWriter writer, GgufVocabulary vocabulary)
    {
        writer.AddText("tokenizer.ggml.model", vocabulary.Model);
        if (vocabulary.Pre is not null)
            writer.AddText("tokenizer.ggml.pre", vocabulary.Pre);
        writer.AddTexts("tokenizer.ggml.tokens", vocabulary.Tokens);
        if (vocabulary.TokenTypes.Length > 0)
            writer.AddIntegers("tokenizer.ggml.token_type", vocabulary.TokenTypes);
        if (vocabulary.Scores.Length > 0)
            writer.AddNumbers("tokenizer.ggml.scores", vocabulary.Scores);
        writer.AddTexts("tokenizer.ggml.merges", vocabulary.Merges);
        if (vocabulary.BosId is { } bos)
            writer.AddInteger("tokenizer.ggml.bos_token_id", (uint)bos);
        if (vocabulary.EosId is { } eos)
            writer.AddInteger("tokenizer.ggml.eos_token_id", (uint)eos);
        writer.AddFlag("tokenizer.ggml.add_bos_token", vocabulary.AddBos);
        if (vocabulary.ChatTemplate is not null)
            writer.AddText("tokenizer.chat_template", vocabulary.ChatTemplate);
    }

    private static TensorFill FillOf(ICheckpoint source, TensorShape tensor, bool isRotated)
    {
        if (!isRotated)
            return (first, values) => source.Read(tensor.Name, first, values);
        int headDim = source.Config.HeadDim;
        int width = (int)(tensor.Shape.Length == 1 ? 1 : tensor.Shape[1]);
        return (first, values) =>
        {
            while (!values.IsEmpty)
            {
                int column = (int)(first % width);
                Span<float> part = values[..Math.Min(width - column, values.Length)];
                source.Read(tensor.Name, SourceRow(first / width, headDim) * width + column, part);
                first += part.Length;
                values = values[part.Length..];
            }
        };
    }

    /// <summary>Row a of pair j of a head comes from row j of the head's half a.</summary>
    private static long SourceRow(long row, int headDim)
    {
        (long head, long inHead) = Math.DivRem(row, headDim);
        (long pair, long half) = Math.DivRem(inHead, 2);
        return head * headDim + half * (headDim / 2) + pair;
    }
}
