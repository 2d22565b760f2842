namespace PdEngine.Host;

/// <summary>What a checkpoint is, and what of it the engine serves.</summary>
internal sealed record ModelFacts
{
    /// <summary>As it was named.</summary>
    public required string Path { get; init; }

    /// <summary>What is stored.</summary>
    public required IReadOnlyList<TensorRow> Tensors { get; init; }

    /// <summary>Null where the engine cannot run the model.</summary>
    public ModelConfig? Config { get; init; }

    /// <summary>Why the engine cannot run it; null where it can.</summary>
    public string? WhyNot { get; init; }

    public TextFacts? Text { get; init; }

    /// <summary>Whether the format is GGUF.</summary>
    public required bool IsGguf { get; init; }

    public long Parameters => Tensors.Sum(row => TensorShape.Count(row.Shape));

    public long Bytes => Tensors.Sum(row => row.Bytes);

    /// <summary>Bytes of a token's K and V, in bf16.</summary>
    public long? KvBytesPerToken => Config is { } config
        ? 2L * config.LayerCount * config.KvHeadCount * config.HeadDim * sizeof(ushort) : null;

    public IEnumerable<(string Name, int Count, long Bytes)> Dtypes => Tensors.GroupBy(row => row.Dtype)
        .Select(same => (same.Key, same.Count(), same.Sum(row => row.Bytes)))
        .OrderByDescending(row => row.Item3);

    public IEnumerable<(string Name, int Count, long Bytes)> Groups => Tensors
        .GroupBy(row => GroupOf(row.Name))
        .Select(same => (same.Key, same.Count(), same.Sum(row => row.Bytes)))
        .OrderByDescending(row => row.Item3);

    /// <summary>What is served, or not and why, a sentence each.</summary>
    public IEnumerable<(bool IsServed, string What)> Service()
    {
        if (Config is not { } config)
        {
            yield return (false, WhyNot ?? "it cannot be read");
            yield break;
        }
        yield return (true, config.IsReward ? "rewards of texts (score); a reward model generates nothing"
            : "generation and log-probs");
        yield return Text switch
        {
            { WhyNot: { } fault } => (false, $"text: {fault}; token ids are served"),
            null or { HasTokenizer: false } => (false, "text: there is no tokenizer; token ids are served"),
            { HasTemplate: false } => (false, "chats: there is no chat template; plain text is served"),
            _ => (true, "text and chats"),
        };
        int[] ranks = [.. new[] { 1, 2, 4 }.Where(count => config.HeadCount % count == 0)];
        yield return (true, $"workers of {string.Join(", ", ranks)} devices (tensor parallel)");
        if (Dtypes.Any(row => row.Name is not ("BF16" or "F16" or "F32" or "F64")))
            yield return (true, "quantised weights, as bf16: they are dequantised as they are loaded");
    }

    /// <exception cref="CheckpointException">There is nothing there that can be read.</exception>
    public static ModelFacts Read(string path)
    {
        MemoryFolder? inMemory = path == DefaultModel.Name ? DefaultModel.Open() : null;
        bool isGguf = inMemory is null && TensorRow.GgufPath(path) is not null;
        IReadOnlyList<TensorRow> tensors = [];
        try
        {
            using ICheckpoint checkpoint = inMemory is null ? Checkpoint.Open(path)
                : Checkpoint.Open(path, [inMemory]);
            tensors = TensorRow.Read(path, inMemory);
            return new()
            {
                Path = path, Tensors = tensors, Config = checkpoint.Config, IsGguf = isGguf,
                Text = TextFacts.Read(checkpoint, inMemory),
            };
        }
        catch (CheckpointException fault) when (System.IO.Path.Exists(path))
        {
            // What cannot even be read is bad input, not a model that is not served.
            tensors = TensorRow.Read(path, inMemory: null);
            return new() { Path = path, Tensors = tensors, WhyNot = fault.Message, IsGguf = isGguf };
        }
    }

    private static string GroupOf(string name)
    {
        bool Has(string part) => name.Contains(part, StringComparison.Ordinal);
        return name switch
        {
            ModelTensors.Embedding => "embedding",
            ModelTensors.Head or ModelTensors.RewardHead => "head",
            _ when Has("norm") => "norms",
            _ when Has(".self_attn.") || Has("attn") => "attention",
            _ when Has(".experts.") || Has("_exps") => "experts",
            _ when Has(".mlp.") || Has("ffn") => "mlp",
            _ => "other",
        };
    }
}
