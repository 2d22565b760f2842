namespace PdEngine.Bench;

/// <summary>
/// A checkpoint of a model's shape whose matrices are one tile of random values over and over: made in no
/// time, and of real magnitudes. Norms are 1.
/// </summary>
internal sealed class TileCheckpoint : ICheckpoint
{
    // A prime number, so that rows of a matrix differ.
    private const int TileElements = 1_000_003;

    private readonly Dictionary<string, IReadOnlyList<long>> _shapes = [];
    private readonly float[] _tile = new float[TileElements];

    public TileCheckpoint(CheckModel model)
    {
        Path = $"tile:{model.Name}";
        Config = HfConfig.Parse(Path, model.ConfigJson());
        CheckMemory.Normal(new Random(model.Hidden), _tile, 0.5f / MathF.Sqrt(model.Hidden));
        foreach (TensorShape tensor in ModelTensors.Of(Config))
            _shapes.Add(tensor.Name, tensor.Shape);
    }

    public string Path { get; }

    public ModelConfig Config { get; }

    /// <summary>The values that matrices are made of.</summary>
    public ReadOnlySpan<float> Tile => _tile;

    public IReadOnlyList<long>? ShapeOf(string name) => _shapes.GetValueOrDefault(name);

    public void Read(string name, long firstElement, Span<float> destination)
    {
        if (_shapes[name].Count == 1)
        {
            destination.Fill(name.EndsWith("norm.weight", StringComparison.Ordinal) ? 1 : 0);
            return;
        }
        int at = (int)(firstElement % TileElements);
        while (destination.Length > 0)
        {
            int count = Math.Min(destination.Length, TileElements - at);
            _tile.AsSpan(at, count).CopyTo(destination);
            destination = destination[count..];
            at = 0;
        }
    }

    /// <summary>Writes it as a Hugging Face folder, for what loads from disk.</summary>
    public void WriteTo(string folder, CheckModel model)
    {
        Directory.CreateDirectory(folder);
        File.WriteAllBytes(System.IO.Path.Combine(folder, "config.json"), model.ConfigJson());
        SafetensorsWriter writer = new();
        foreach (TensorShape tensor in ModelTensors.Of(Config))
        {
            writer.Add(
                tensor.Name, SafetensorsDtype.BF16, tensor.Shape,
                (first, values) => Read(tensor.Name, first, values));
        }
        writer.Write(System.IO.Path.Combine(folder, HfFolder.SingleFile));
    }

    public void Dispose()
    {
    }
}
