namespace PdEngine.Examples;

/// <summary>
/// The decoder's backward pass, from the gradient of each response token's log-prob to that of every
/// parameter. Gradients add up over passes until the caller clears them.
/// </summary>
internal sealed unsafe class TrainingBackward : IDisposable
{
    private readonly ParameterLayout _layout;
    private readonly TrainingForward _forward;
    private readonly FloatProducts _products;
    private readonly FloatVector _weights;
    private readonly FloatVector _gradients;
    private readonly RowGradients _rows;
    private readonly AttentionGradient _attention;
    private readonly Tensor _dResidual;
    private readonly Tensor _dNormed;
    private readonly Tensor _dQkv;
    private readonly Tensor _dAttended;
    private readonly Tensor _dGateUp;
    private readonly Tensor _dActivated;
    private readonly Tensor _dFinal;
    private readonly int[] _targets;
    private readonly float[] _logProbs;

    /// <param name="layout">Of the model.</param>
    /// <param name="forward">Whose activations are read; not owned.</param>
    /// <param name="products">Computes the products; not owned.</param>
    /// <param name="weights">The weights that the forward pass used; not owned.</param>
    /// <param name="gradients">Added to; not owned.</param>
    /// <param name="tokenCapacity">Most tokens of a pass.</param>
    /// <param name="roundsCache">Whether the forward pass's cache holds bf16.</param>
    /// <param name="threadCount">Threads of what is not a product.</param>
    public TrainingBackward(
        ParameterLayout layout, TrainingForward forward, FloatProducts products, FloatVector weights,
        FloatVector gradients, int tokenCapacity, bool roundsCache, int threadCount)
    {
        (_layout, _forward, _products) = (layout, forward, products);
        (_weights, _gradients) = (weights, gradients);
        ModelConfig config = layout.Config;
        ParallelOptions threads = Lanes.Threads(threadCount);
        _rows = new(tokenCapacity, config.HiddenSize, threads);
        _attention = new(layout, roundsCache, threads);
        _dResidual = new(tokenCapacity, config.HiddenSize);
        _dNormed = new(tokenCapacity, config.HiddenSize);
        _dQkv = new(tokenCapacity, layout.QueryColumns + (2 * layout.KvColumns));
        _dAttended = new(tokenCapacity, layout.QueryColumns);
        _dGateUp = new(tokenCapacity, 2 * config.IntermediateSize);
        _dActivated = new(tokenCapacity, config.IntermediateSize);
        _dFinal = new(tokenCapacity, config.HiddenSize);
        _targets = new int[tokenCapacity];
        _logProbs = new float[tokenCapacity];
    }

    private Tensor[] PerToken => [_dResidual, _dNormed, _dQkv, _dAttended, _dGateUp, _dActivated];

    /// <param name="dLogProbs">Gradient of the log-prob of each wanted row of the last forward pass.</param>
    /// <param name="temperature">Of those log-probs.</param>
    public void Run(float[] dLogProbs, float temperature)
    {
        PackedSequences sequences = _forward.Sequences;
        if (sequences.WantedCount == 0)
            return;
        foreach (Tensor tensor in PerToken)
            tensor.SetRows(sequences.TokenCount);
        Head(sequences, dLogProbs, temperature);
        for (int layer = _layout.Layers.Length - 1; layer >= 0; layer--)
        {
            FeedForward(_layout.Layers[layer], _forward.Layers[layer]);
            Attention(_layout.Layers[layer], _forward.Layers[layer]);
        }
        for (int token = 0; token < sequences.TokenCount; token++)
        {
            int offset = _layout.Embedding + (sequences.Tokens[token] * _layout.Config.HiddenSize);
            Add(_dResidual.Row(token), _gradients.Values.Slice(offset, _layout.Config.HiddenSize));
        }
    }

    public void Dispose()
    {
        foreach (Tensor tensor in (Tensor[])[.. PerToken, _dFinal])
            tensor.Dispose();
        _rows.Dispose();
        _attention.Dispose();
    }

    private void Head(PackedSequences sequences, float[] dLogProbs, float temperature)
    {
        ModelConfig config = _layout.Config;
        for (int row = 0; row < sequences.WantedCount; row++)
        {
            _targets[row] = sequences.Scores.Rows[row].Target;
            _logProbs[row] = sequences.Scores.Results[row].LogProb;
        }
        _rows.LogSoftmax(_forward.Logits, _targets, _logProbs, dLogProbs, temperature);
        FloatMatrix dLogits = _forward.Logits;
        _dNormed.SetRows(sequences.WantedCount);
        _dFinal.SetRows(sequences.WantedCount);
        (int vocabulary, int hidden) = (config.VocabularySize, config.HiddenSize);
        _products.InputGradient(dLogits, Weight(_layout.Head, vocabulary, hidden), _dNormed);
        _products.AddWeightGradient(
            dLogits, _forward.FinalNormed, Gradient(_layout.Head, vocabulary, hidden));
        Clear(_dFinal);
        AddNorm(_layout.FinalNorm, _forward.FinalInput, _dNormed, _dFinal);
        Clear(_dResidual);
        for (int row = 0; row < sequences.WantedCount; row++)
            _dFinal.Row(row).CopyTo(_dResidual.Row(sequences.Wanted[row]));
        _dNormed.SetRows(sequences.TokenCount);
    }

    private void FeedForward(in LayerOffsets offsets, LayerActivations kept)
    {
        (int hidden, int inner) = (_layout.Config.HiddenSize, _layout.Config.IntermediateSize);
        _products.InputGradient(_dResidual, Weight(offsets.Down, hidden, inner), _dActivated);
        _products.AddWeightGradient(_dResidual, kept.Activated, Gradient(offsets.Down, hidden, inner));
        _rows.SwiGlu(kept.GateUp, _dActivated, _dGateUp);
        _products.InputGradient(_dGateUp, Weight(offsets.GateUp, 2 * inner, hidden), _dNormed);
        _products.AddWeightGradient(_dGateUp, kept.MiddleNormed, Gradient(offsets.GateUp, 2 * inner, hidden));
        AddNorm(offsets.PostNorm, kept.Middle, _dNormed, _dResidual);
    }

    private void Attention(in LayerOffsets offsets, LayerActivations kept)
    {
        (int hidden, int query, int qkv) = (_layout.Config.HiddenSize, _layout.QueryColumns, _dQkv.Columns);
        _products.InputGradient(_dResidual, Weight(offsets.Output, hidden, query), _dAttended);
        _products.AddWeightGradient(_dResidual, kept.Attended, Gradient(offsets.Output, hidden, query));
        _attention.Compute(_forward.Sequences, _forward.Rope, kept.Qkv, _dAttended, _dQkv);
        _products.InputGradient(_dQkv, Weight(offsets.Qkv, qkv, hidden), _dNormed);
        _products.AddWeightGradient(_dQkv, kept.InputNormed, Gradient(offsets.Qkv, qkv, hidden));
        AddNorm(offsets.InputNorm, kept.Input, _dNormed, _dResidual);
    }

    private void AddNorm(int offset, Tensor input, Tensor dNormed, Tensor dInput)
    {
        ModelConfig config = _layout.Config;
        _rows.AddRmsNorm(
            input, Weight(offset, 1, config.HiddenSize), config.RmsNormEpsilon, dNormed, dInput,
            Gradient(offset, 1, config.HiddenSize));
    }

    private FloatMatrix Weight(int offset, int rows, int columns) => _weights.Matrix(offset, rows, columns);

    private FloatMatrix Gradient(int offset, int rows, int columns) =>
        _gradients.Matrix(offset, rows, columns);

    private static void Clear(Tensor tensor) =>
        new Span<float>((void*)tensor.Address, tensor.Rows * tensor.Stride).Clear();

    private static void Add(ReadOnlySpan<float> from, Span<float> to)
    {
        for (int index = 0; index < from.Length; index++)
            to[index] += from[index];
    }
}
