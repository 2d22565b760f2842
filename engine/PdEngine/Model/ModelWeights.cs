namespace PdEngine;

/// <summary>
/// One rank's share of a model's weights in a backend's own form; immutable, shared by every worker that has
/// such a rank on that backend's memory.
/// </summary>
internal sealed class ModelWeights : IDisposable
{
    /// <summary>
    /// Whether quantised weights have a quantised head. A head that the embedding shares is then looked up
    /// in int8 too: one table of a byte an element instead of two tables of three.
    /// </summary>
    public const bool QuantisesHead = true;

    private readonly IReadOnlyList<IDisposable> _owned;
    private readonly IReadOnlyList<HeldWeight> _ownHeld;
    private readonly Matrix _wholeHead;

    private ModelWeights(
        ModelConfig config, WeightShard shard, (Matrix Embedding, Matrix Head) tables,
        IReadOnlyList<LayerWeights> layers, Tensor finalNorm, WeightLoader loader,
        IEnumerable<HeldWeight> sharedTables)
    {
        Config = config;
        Shard = shard;
        Embedding = tables.Embedding;
        _wholeHead = tables.Head;
        Layers = layers;
        FinalNorm = finalNorm;
        (FirstHeadRow, int rows) = shard.PartOf(_wholeHead.Rows, Matrix.UnitRows);
        Head = rows == 0 ? null : rows == _wholeHead.Rows ? _wholeHead : _wholeHead.View(FirstHeadRow, rows);
        Bytes = loader.HeldBytes;
        _owned = loader.Loaded;
        _ownHeld = loader.Held;
        Held = [.. sharedTables, .. loader.Held];
    }

    /// <summary>Which tensors lie where; tables of others, where these are used, among them.</summary>
    public IReadOnlyList<HeldWeight> Held { get; }

    /// <summary>Of them, embedding and head.</summary>
    private IEnumerable<HeldWeight> Tables =>
        Held.Where(held => held.Matrix == Embedding || held.Matrix == _wholeHead);

    /// <summary>Of the whole model.</summary>
    public ModelConfig Config { get; }

    public WeightShard Shard { get; }

    /// <summary>[VocabularySize, HiddenSize], whole on every rank.</summary>
    public Matrix Embedding { get; }

    public IReadOnlyList<LayerWeights> Layers { get; }

    public Tensor FinalNorm { get; }

    /// <summary>
    /// This rank's rows of [HeadRows, HiddenSize]; of the embedding itself where the model ties them. Null
    /// where there are too few to give every rank some.
    /// </summary>
    public Matrix? Head { get; }

    /// <summary>Token whose logit row 0 of <see cref="Head"/> makes.</summary>
    public int FirstHeadRow { get; }

    /// <summary>Memory that the weights take as the backend holds them; less tables of others.</summary>
    public long Bytes { get; }

    /// <summary>Reads a rank's weights of a checkpoint into a backend.</summary>
    /// <param name="checkpoint">May be disposed afterwards.</param>
    /// <param name="backend">Whose form the weights take.</param>
    /// <param name="progress">
    /// Hears the bytes read so far, counted as float32, after each weight; the last is <see
    /// cref="LoadBytes"/>.
    /// </param>
    /// <param name="shard">Which share; all of the weights where none is named.</param>
    /// <param name="tables">
    /// Weights of the same model on the same memory whose embedding and head are to be used instead of
    /// copies; they must outlive these.
    /// </param>
    /// <param name="quantization">How the weights of products are held; that of the tables too.</param>
    /// <param name="quantisesHead">Whether the head is among them.</param>
    public static ModelWeights Load(
        ICheckpoint checkpoint, IBackend backend, IProgress<long>? progress = null,
        WeightShard? shard = null, ModelWeights? tables = null,
        Quantization quantization = Quantization.None, bool quantisesHead = QuantisesHead)
    {
        MatrixElement element = quantization == Quantization.W8A8Int8
            ? MatrixElement.Int8
            : MatrixElement.Native;
        ModelConfig config = checkpoint.Config;
        WeightShard share = shard ?? WeightShard.Whole;
        TensorParallel.ThrowIfImpossible(config, share.Count);
        WeightLoader loader = new(checkpoint, backend, progress, element);
        try
        {
            (Matrix, Matrix) both = tables is null
                ? LoadTables(loader, config, quantisesHead ? element : MatrixElement.Native)
                : (tables.Embedding, tables._wholeHead);
            LayerWeights[] layers = new LayerWeights[config.LayerCount];
            for (int layer = 0; layer < layers.Length; layer++)
                layers[layer] = LayerWeights.Load(loader, config, share, $"model.layers.{layer}.");
            Tensor finalNorm = loader.Vector(config.HiddenSize, "model.norm.weight");
            return new(config, share, both, layers, finalNorm, loader, tables?.Tables ?? []);
        }
        catch
        {
            loader.Dispose();
            throw;
        }
    }

    /// <summary>What a load reads in all, in bytes of float32.</summary>
    /// <param name="config">Of the whole model.</param>
    /// <param name="shard">Which share; all of the weights where none is named.</param>
    /// <param name="sharesTables">Whether embedding and head are those of other weights.</param>
    public static long LoadBytes(ModelConfig config, WeightShard? shard = null, bool sharesTables = false)
    {
        int ranks = (shard ?? WeightShard.Whole).Count;
        long hidden = config.HiddenSize;
        long queryRows = (long)config.HeadCount * config.HeadDim / ranks;
        long kvHeads = KvMemory.HeadsOf(config.KvHeadCount, 0, ranks).Count;
        long qkvRows = queryRows + (2 * kvHeads * config.HeadDim);
        long inner = config.IntermediateSize / ranks;
        long layer = (2 * hidden) + (qkvRows * hidden) + (hidden * queryRows) + (3 * inner * hidden);
        layer += config.QkvBias ? qkvRows : 0;
        layer += config.OutputBias ? hidden : 0;
        layer += config.MlpBias ? (2 * inner) + hidden : 0;
        layer += config.QkNorm ? 2 * config.HeadDim : 0;
        long headRows = config.TieWordEmbeddings ? 0 : config.HeadRows;
        long tableRows = sharesTables ? 0 : config.VocabularySize + headRows;
        return ((tableRows * hidden) + hidden + (layer * config.LayerCount)) * sizeof(float);
    }

    /// <summary>Takes the values of another checkpoint of the model in, in place; tables of others
    /// aside.</summary>
    public void Reload(ICheckpoint checkpoint, IBackend backend)
    {
        foreach (HeldWeight held in _ownHeld)
            held.Reload(checkpoint, backend);
    }

    public void Dispose()
    {
        foreach (IDisposable weight in _owned)
            weight.Dispose();
    }

    private static (Matrix Embedding, Matrix Head) LoadTables(
        WeightLoader loader, ModelConfig config, MatrixElement headElement)
    {
        WeightColumns columns = WeightColumns.All(config.HiddenSize);
        WeightPart part = new("model.embed_tokens", 0, config.VocabularySize);
        MatrixElement looked = config.TieWordEmbeddings ? headElement : MatrixElement.Native;
        Matrix embedding = loader.Matrix(looked, columns, 1, part);
        if (config.TieWordEmbeddings)
            return (embedding, embedding);
        // One row saves no time as int8, and all of the reward would be rounded.
        Matrix head = config.IsReward
            ? loader.Matrix(MatrixElement.Native, columns, 1, new WeightPart("score", 0, config.HeadRows))
            : loader.Matrix(headElement, columns, 1, part with { Name = "lm_head" });
        return (embedding, head);
    }
}
