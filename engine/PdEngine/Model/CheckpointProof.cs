namespace PdEngine;

/// <summary>
/// Proves that a checkpoint holds the tensors its configuration calls for, each of its shape, and no other.
/// </summary>
internal static class CheckpointProof
{
    /// <param name="path">The checkpoint, for messages about what it lacks.</param>
    /// <param name="config">What it claims to be.</param>
    /// <param name="stored">What it holds, by Hugging Face name.</param>
    /// <exception cref="CheckpointException">A tensor is missing, misshapen or unexpected.</exception>
    public static void Check(
        string path, ModelConfig config, IReadOnlyDictionary<string, StoredTensor> stored)
    {
        HashSet<string> expected = new(StringComparer.Ordinal);
        foreach (TensorShape tensor in ModelTensors.Of(config))
        {
            if (!stored.TryGetValue(tensor.Name, out StoredTensor found))
                throw new CheckpointException(path, Missing(config, tensor, stored.Count));
            if (!tensor.Shape.AsSpan().SequenceEqual(found.Shape))
                throw new CheckpointException(
                    found.Path, $"tensor '{found.StoredName}' has shape {TensorShape.Show(found.Shape)}; " +
                                $"the configuration calls for {TensorShape.Show(tensor.Shape)}");
            expected.Add(tensor.Name);
        }
        foreach ((string name, StoredTensor tensor) in stored)
        {
            if (!expected.Contains(name) && !IsHarmless(config, name))
                throw new CheckpointException(
                    tensor.Path, $"tensor '{Shown.Line(tensor.StoredName)}' " +
                                 $"{TensorShape.Show(tensor.Shape)} does not belong to a {config.Family} " +
                                 $"model of {config.LayerCount} layers with this configuration");
        }
    }

    /// <summary>Left-overs that say nothing the configuration does not: they are not read.</summary>
    private static bool IsHarmless(ModelConfig config, string name) =>
        name.EndsWith("rotary_emb.inv_freq", StringComparison.Ordinal)
        || (name == ModelTensors.Head && (config.TieWordEmbeddings || config.IsReward));

    private static string Missing(ModelConfig config, TensorShape tensor, int count)
    {
        string text = $"tensor '{tensor.Name}' {TensorShape.Show(tensor.Shape)} is missing ({count} " +
                      $"tensors are there; {config.LayerCount} layers take {ModelTensors.CountOf(config)})";
        return tensor.Name == ModelTensors.Head
            ? text + "; set tie_word_embeddings where the head is the embedding"
            : text;
    }
}
