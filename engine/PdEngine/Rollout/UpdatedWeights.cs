namespace PdEngine;

/// <summary>
/// A model's tensors as an update makes them: those given, those present with changes, and else those
/// present. Making one proves the update.
/// </summary>
internal sealed class UpdatedWeights : ICheckpoint
{
    private readonly WeightUpdate _update;
    private readonly PresentWeights? _present;
    private readonly Dictionary<string, long[]> _shapes;

    /// <param name="update">Not owned.</param>
    /// <param name="weights">Of now; they must outlive this.</param>
    /// <exception cref="WeightUpdateException">A tensor does not fit the model.</exception>
    public UpdatedWeights(WeightUpdate update, WeightSet weights)
        : this(update, weights.Config)
    {
        bool isWhole = _shapes.Keys.All(update.Tensors.ContainsKey);
        if (!isWhole)
        {
            CheckPartial(weights);
            _present = weights.Present();
        }
        foreach ((string name, TensorDelta delta) in update.Deltas)
            CheckDelta(name, delta);
    }

    private UpdatedWeights(WeightUpdate update, ModelConfig config)
    {
        _update = update;
        Config = config;
        _shapes = ModelTensors.Of(Config).ToDictionary(
            tensor => tensor.Name, tensor => tensor.Shape, StringComparer.Ordinal);
        foreach ((string name, GivenTensor tensor) in update.Tensors)
            CheckGiven(name, tensor);
    }

    /// <summary>Tensors of the model that an update does not give; those that it gives fit.</summary>
    /// <exception cref="WeightUpdateException">One does not.</exception>
    public static IReadOnlyList<string> Missing(WeightUpdate update, ModelConfig config) =>
    [
        .. new UpdatedWeights(update, config)._shapes.Keys.Where(name => !update.Tensors.ContainsKey(name)),
    ];

    public string Path => "a weight update";

    public ModelConfig Config { get; }

    public IReadOnlyList<long>? ShapeOf(string name) => _shapes.GetValueOrDefault(name);

    public void Read(string name, long firstElement, Span<float> destination)
    {
        if (_update.Tensors.TryGetValue(name, out GivenTensor? given))
        {
            given.Read(firstElement, destination);
            return;
        }
        _present!.Read(name, firstElement, destination);
        if (_update.Deltas.TryGetValue(name, out TensorDelta? delta))
            delta.Apply(firstElement, destination);
    }

    public void Dispose()
    {
    }

    private void CheckGiven(string name, GivenTensor tensor)
    {
        if (Config.TieWordEmbeddings && name == ModelTensors.Head)
            return;
        if (name.EndsWith("rotary_emb.inv_freq", StringComparison.Ordinal))
            return;
        long[] shape = ShapeOrThrow(name);
        if (!tensor.Shape.AsSpan().SequenceEqual(shape))
        {
            throw new WeightUpdateException(
                $"'{name}' has shape {TensorShape.Show(tensor.Shape)}; the model's has "
                + TensorShape.Show(shape));
        }
        if (tensor.Unreadable is { } dtype)
        {
            throw new WeightUpdateException(
                $"'{name}' is {dtype}; weights in BF16, F16, F32 and F64 are supported");
        }
        if (tensor.GivenCount < tensor.Count)
        {
            throw new WeightUpdateException(
                $"only {tensor.GivenCount} of the {tensor.Count} elements of '{name}' are given");
        }
    }

    private void CheckPartial(WeightSet weights)
    {
        if (!_update.IsPartial)
        {
            string[] missing = [.. _shapes.Keys.Where(name => !_update.Tensors.ContainsKey(name))];
            throw new WeightUpdateException(
                $"{missing.Length} of the {_shapes.Count} tensors are not given, '{missing[0]}' the first of "
                + "them; give all, or set IsPartial to keep the others");
        }
        if (weights.IsAway)
        {
            throw new WeightUpdateException(
                "the present weights have been given back (ReleaseMemoryAsync): give every tensor");
        }
        if (weights.Quantization != Quantization.None)
        {
            throw new WeightUpdateException(
                $"weights held as {weights.Quantization} cannot be read back: give every tensor");
        }
    }

    private void CheckDelta(string name, TensorDelta delta)
    {
        long count = TensorShape.Count(ShapeOrThrow(name));
        if (delta.Indices is [.., long last] && last >= count)
            throw new WeightUpdateException($"'{name}' has {count} elements; index {last} is not one");
        if (!delta.IsResult(count, (first, values) => Read(name, first, values)))
        {
            throw new WeightUpdateException(
                $"the SHA-256 of '{name}' with the changes is another than the sender's: its base differs, "
                + "or the changes do");
        }
    }

    private long[] ShapeOrThrow(string name)
    {
        if (_shapes.TryGetValue(name, out long[]? shape))
            return shape;
        string meant = NearestName.Of(name, _shapes.Keys, within: 6) is { } near ? $" (is it '{near}'?)" : "";
        throw new WeightUpdateException($"the model has no tensor '{Shown.Line(name)}'{meant}");
    }
}
