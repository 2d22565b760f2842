namespace PdEngine;

/// <summary>Writes an open checkpoint as a GGUF file that this engine and llama.cpp read.</summary>
internal static class GgufExport
{
    private const double DefaultTheta = 10_000;

    /// <summary>Ids that end a sequence; all that there are count.</summary>
    private static readonly string[] EndKeys =
        ["tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"];

    /// <summary>Most ids that end a sequence.</summary>
    public static int MostEnds => EndKeys.Length;

    /// <param name="source">The model.</param>
    /// <param name="path">The file to write.</param>
    /// <param name="type">
    /// Type of its matrices; vectors stay F32. One that <see cref="GgufEncoder.CanEncode"/>.
    /// </param>
    /// <param name="vocabulary">Its tokenizer, or null for none.</param>
    /// <exception cref="CheckpointException">GGUF has no word for something in the model.</exception>
    public static void Write(ICheckpoint source, string path, GgufType type, GgufVocabulary? vocabulary)
    {
        GgufWriter writer = Begin(source, $"{ArchitectureOf(source.Config)} export");
        if (vocabulary is not null)
        {
            WriteVocabulary(writer, vocabulary);
            WriteIds(writer, vocabulary.BosId, vocabulary.EosId is { } eos ? [eos] : []);
            if (vocabulary.ChatTemplate is not null)
                writer.AddText(GgufCarriedText.TemplateKey, vocabulary.ChatTemplate);
        }
        AddTensors(writer, source, _ => type, fill => fill);
        writer.Write(path);
    }

    /// <summary>A file with the model's sizes; text and tensors are to be added.</summary>
    /// <inheritdoc cref="Write" path="/exception"/>
    public static GgufWriter Begin(ICheckpoint source, string name)
    {
        ModelConfig config = source.Config;
        if (config.IsReward)
            throw new CheckpointException(source.Path, "a reward model cannot be written as GGUF");
        GgufWriter writer = new();
        string architecture = ArchitectureOf(config);
        WriteSizes(writer, config, architecture, name);
        WriteWindow(writer, source, architecture);
        WriteRope(writer, source, architecture);
        return writer;
    }

    /// <summary>Adds every tensor; vectors stay F32.</summary>
    /// <param name="writer">Where to.</param>
    /// <param name="source">The model.</param>
    /// <param name="typeOf">Type of a matrix.</param>
    /// <param name="around">What is put around the reading of each.</param>
    public static void AddTensors(
        GgufWriter writer, ICheckpoint source, Func<TensorShape, GgufType> typeOf,
        Func<TensorFill, TensorFill> around)
    {
        bool isLlama = ArchitectureOf(source.Config) == "llama";
        foreach (TensorShape tensor in ModelTensors.Of(source.Config))
        {
            bool isMatrix = tensor.Shape.Length > 1;
            writer.AddTensor(
                GgufNames.ToGguf(tensor.Name)!, isMatrix ? typeOf(tensor) : GgufType.F32, tensor.Shape,
                around(FillOf(source, tensor, isLlama && GgufNames.IsRotated(tensor.Name))));
        }
    }

    /// <summary>Writes the ids that start a sequence and that end it.</summary>
    /// <exception cref="CheckpointException">There are more than GGUF has words for.</exception>
    public static void WriteIds(GgufWriter writer, int? start, IReadOnlyList<int> ends)
    {
        Check.That(ends.Count <= EndKeys.Length);
        if (start is { } id)
            writer.AddInteger("tokenizer.ggml.bos_token_id", (uint)id);
        for (int i = 0; i < ends.Count; i++)
            writer.AddInteger(EndKeys[i], (uint)ends[i]);
    }

    /// <summary>The lists of a tokenizer, without ids that have a role and without template.</summary>
    public static void WriteVocabulary(GgufWriter writer, GgufVocabulary vocabulary)
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
        writer.AddFlag("tokenizer.ggml.add_bos_token", vocabulary.AddBos);
    }

    /// <summary>The base of plain frequencies; null where they are not plain to the last bit.</summary>
    public static double? PlainTheta(int headDim, float[] frequencies)
    {
        // The lowest frequency is nearly 1 / base: a higher one would raise its float32 rounding to a power.
        int last = headDim / 2 - 1;
        double theta = last == 0
            ? DefaultTheta
            : Math.Max(1, Math.Round(Math.Pow(frequencies[last], -headDim / 2.0 / last)));
        double[] plain = RopeScaling.Plain(headDim, theta);
        bool isPlain = (float)theta == theta
            && !plain.Where((frequency, pair) => (float)frequency != frequencies[pair]).Any();
        return isPlain ? theta : null;
    }

    private static string ArchitectureOf(ModelConfig config) => config.Family switch
    {
        ModelFamily.Qwen2 => "qwen2",
        ModelFamily.Qwen3 => "qwen3",
        _ => "llama",
    };

    private static void WriteSizes(
        GgufWriter writer, ModelConfig config, string architecture, string name)
    {
        writer.AddText("general.architecture", architecture);
        writer.AddText("general.name", name);
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

    private static void WriteWindow(GgufWriter writer, ICheckpoint source, string architecture)
    {
        IReadOnlyList<int> windows = source.Config.SlidingWindows;
        int window = windows.Count == 0 ? 0 : windows[0];
        if (windows.All(each => each == 0))
            return;
        if (architecture != "llama" || windows.Any(each => each != window))
        {
            throw new CheckpointException(source.Path, "GGUF has no word for sliding windows in some layers, "
                + $"or in {architecture} models");
        }
        writer.AddInteger($"{architecture}.attention.sliding_window", (uint)window);
    }

    /// <summary>
    /// A configuration keeps frequencies, not the recipe that made them: plain ones are written as their
    /// base, any others as plain ones of base 10000 and the ratio to them.
    /// </summary>
    private static void WriteRope(GgufWriter writer, ICheckpoint source, string architecture)
    {
        RopeConfig rope = source.Config.Rope;
        if (rope.AttentionFactor != 1)
        {
            throw new CheckpointException(
                source.Path, "a model with a rope attention factor (yarn) cannot be written as GGUF");
        }
        int headDim = source.Config.HeadDim;
        double? theta = PlainTheta(headDim, rope.InverseFrequencies);
        writer.AddNumber($"{architecture}.rope.freq_base", (float)(theta ?? DefaultTheta));
        if (theta is not null)
            return;
        double[] plain = RopeScaling.Plain(headDim, DefaultTheta);
        float[] factors = new float[plain.Length];
        for (int pair = 0; pair < factors.Length; pair++)
            factors[pair] = FactorOf(plain[pair], rope.InverseFrequencies[pair]);
        writer.AddTensor(
            GgufNames.RopeFactors, GgufType.F32, [factors.Length],
            (first, values) => factors.AsSpan((int)first, values.Length).CopyTo(values));
    }

    /// <summary>What a reader divides by to get the very frequency, where some float32 does that.</summary>
    private static float FactorOf(double plain, float wanted)
    {
        float nearest = (float)(plain / wanted);
        foreach (float factor in (float[])[nearest, MathF.BitDecrement(nearest), MathF.BitIncrement(nearest)])
        {
            if ((float)(plain / factor) == wanted)
                return factor;
        }
        return nearest;
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
