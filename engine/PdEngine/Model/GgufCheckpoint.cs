namespace PdEngine;

/// <summary>
/// A GGUF file under Hugging Face names and order: dimensions are reversed, and the query and key rows of the
/// llama architecture are put back from interleaved to half-split rotary order.
/// </summary>
internal sealed class GgufCheckpoint : ICheckpoint
{
    private readonly GgufFile _file;
    private readonly Dictionary<string, GgufTensor> _tensors = new(StringComparer.Ordinal);
    private readonly bool _isRotated;
    private readonly Lazy<GgufVocabulary?> _vocabulary;

    /// <summary>Takes over <paramref name="file"/>, and disposes of it where it is refused.</summary>
    /// <exception cref="CheckpointException">It does not hold a model that the engine runs.</exception>
    public GgufCheckpoint(GgufFile file)
    {
        _file = file;
        _vocabulary = new(() => GgufVocabularyReader.Read(file, Config!.VocabularySize));
        try
        {
            Config = GgufConfig.Read(file);
            _isRotated = Config.Family == ModelFamily.Llama;
            foreach (GgufTensor tensor in file.Tensors.Values)
            {
                if (tensor.Name != GgufNames.RopeFactors
                    && !_tensors.TryAdd(GgufNames.ToHf(tensor.Name) ?? tensor.Name, tensor))
                    throw new CheckpointException(
                        file.Path, $"tensor '{Shown.Line(tensor.Name)}' is there under two " +
                                   "names");
            }
            CheckpointProof.Check(file.Path, Config, _tensors.ToDictionary(
                pair => pair.Key, pair => new StoredTensor(pair.Value.Name, pair.Value.Shape, file.Path)));
            GgufVocabularyReader.Check(file, Config.VocabularySize);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    public string Path => _file.Path;

    /// <summary>What it is read from; not to be disposed of.</summary>
    public GgufFile File => _file;

    /// <summary>
    /// Hugging Face's tokenizer files where the file carries them whole, which says more than its lists.
    /// </summary>
    /// <exception cref="CheckpointException">They are too long.</exception>
    public MemoryFolder? CarriedText => GgufCarriedText.Read(_file);

    public ModelConfig Config { get; }

    public static GgufCheckpoint Open(string path) => new(GgufFile.Open(path));

    /// <summary>
    /// The tokenizer in the file's metadata, read at the first call; null where it has none.
    /// </summary>
    /// <exception cref="CheckpointException">Its lists are malformed.</exception>
    public GgufVocabulary? Vocabulary => _vocabulary.Value;

    public IReadOnlyList<long>? ShapeOf(string name) =>
        _tensors.TryGetValue(name, out GgufTensor? tensor) ? tensor.Shape : null;

    public void Read(string name, long firstElement, Span<float> destination)
    {
        GgufTensor tensor = _tensors[name];
        if (!_isRotated || !GgufNames.IsRotated(name))
        {
            _file.Read(tensor, firstElement, destination);
            return;
        }
        int width = (int)(tensor.Shape.Length == 1 ? 1 : tensor.Shape[1]);
        while (!destination.IsEmpty)
        {
            long row = firstElement / width;
            int column = (int)(firstElement % width);
            Span<float> part = destination[..Math.Min(width - column, destination.Length)];
            _file.Read(tensor, StoredRow(row, Config.HeadDim) * width + column, part);
            firstElement += part.Length;
            destination = destination[part.Length..];
        }
    }

    public void Dispose() => _file.Dispose();

    /// <summary>Where row j of half a (of a head's two) is stored: pair j's row a.</summary>
    internal static long StoredRow(long row, int headDim)
    {
        (long head, long inHead) = Math.DivRem(row, headDim);
        (long half, long pair) = Math.DivRem(inHead, headDim / 2);
        return head * headDim + 2 * pair + half;
    }
}
