namespace PdEngine;

/// <summary>A Hugging Face folder: config.json and one or several safetensors files.</summary>
internal sealed class HfCheckpoint : ICheckpoint
{
    private readonly IReadOnlyList<SafetensorsFile> _files;
    private readonly Dictionary<string, (SafetensorsFile File, SafetensorsTensor Tensor)> _tensors;

    /// <summary>Takes over <paramref name="files"/>, and disposes of them where they are refused.</summary>
    /// <exception cref="CheckpointException">
    /// The files do not hold the model that the configuration describes.
    /// </exception>
    public HfCheckpoint(string path, ModelConfig config, IReadOnlyList<SafetensorsFile> files)
    {
        Path = path;
        Config = config;
        _files = files;
        try
        {
            _tensors = Gather(files);
            CheckpointProof.Check(path, config, _tensors.ToDictionary(
                pair => pair.Key,
                pair => new StoredTensor(pair.Key, pair.Value.Tensor.Shape, pair.Value.File.Path)));
            CheckDtypes();
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public string Path { get; }

    public ModelConfig Config { get; }

    public IReadOnlyList<long>? ShapeOf(string name) =>
        _tensors.TryGetValue(name, out (SafetensorsFile, SafetensorsTensor Tensor) found)
            ? found.Tensor.Shape
            : null;

    public void Read(string name, long firstElement, Span<float> destination)
    {
        (SafetensorsFile file, SafetensorsTensor tensor) = _tensors[name];
        file.Read(tensor, firstElement, destination);
    }

    public void Dispose()
    {
        foreach (SafetensorsFile file in _files)
            file.Dispose();
    }

    private static Dictionary<string, (SafetensorsFile File, SafetensorsTensor Tensor)> Gather(
        IReadOnlyList<SafetensorsFile> files)
    {
        Dictionary<string, (SafetensorsFile File, SafetensorsTensor Tensor)> tensors =
            new(StringComparer.Ordinal);
        foreach (SafetensorsFile file in files)
        {
            foreach (SafetensorsTensor tensor in file.Tensors.Values)
            {
                if (!tensors.TryAdd(tensor.Name, (file, tensor)))
                    throw new CheckpointException(
                        file.Path, $"tensor '{Shown.Line(tensor.Name)}' is also in " +
                                   tensors[tensor.Name].File.Path);
            }
        }
        return tensors;
    }

    private void CheckDtypes()
    {
        foreach (TensorShape expected in ModelTensors.Of(Config))
        {
            (SafetensorsFile file, SafetensorsTensor tensor) = _tensors[expected.Name];
            if (!SafetensorsDtypes.IsWeight(tensor.Dtype))
                throw new CheckpointException(
                    file.Path, $"tensor '{tensor.Name}' is {SafetensorsDtypes.NameOf(tensor.Dtype)}; " +
                               "weights in BF16, F16, F32 and F64 are supported");
        }
    }
}
