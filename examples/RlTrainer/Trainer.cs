namespace PdEngine.Examples;

/// <summary>What one pass over a batch came to.</summary>
/// <param name="Loss">Mean over response tokens.</param>
/// <param name="ResponseTokens">How many there were.</param>
/// <param name="ClippedTokens">Of those, how many the clip silenced.</param>
internal readonly record struct BatchOutcome(double Loss, int ResponseTokens, int ClippedTokens);

/// <summary>
/// A decoder's float32 master weights and everything that moves them: forward pass, backward pass, optimiser.
/// The forward pass runs on the bf16 copy of the weights that <see cref="Push"/> made, as the engine does.
/// </summary>
internal sealed class Trainer : IDisposable
{
    /// <summary>Tokens of one pass: its activations stay in the caches of a core or two.</summary>
    public const int PassTokens = 2048;

    private readonly TrainingForward _forward;
    private readonly TrainingBackward _backward;
    private readonly FloatProducts _products;
    private readonly FloatVector _pushed;
    private readonly bool _rounds;
    private readonly float[] _slopes = new float[PassTokens];

    /// <param name="config">Of the model.</param>
    /// <param name="forward">
    /// Computes the forward pass; one whose cache is float32 makes the whole trainer float32. Not owned.
    /// </param>
    /// <param name="products">Whose threads compute the backward pass's products; not owned.</param>
    /// <param name="options">Of the optimiser.</param>
    /// <param name="threadCount">Threads of what is not a product.</param>
    public Trainer(
        ModelConfig config, IBackend forward, CpuBackend products, AdamWOptions options, int threadCount)
    {
        Layout = new(config);
        _rounds = forward.KvElement == KvElement.BFloat16;
        Weights = new(Layout.Count);
        Gradients = new(Layout.Count);
        _pushed = new(Layout.Count);
        Optimiser = new(options, Layout.Count);
        _products = new(products);
        _forward = new(forward, Layout, PassTokens);
        _backward = new(
            Layout, _forward, _products, _pushed, Gradients, PassTokens, _rounds, threadCount);
    }

    public ParameterLayout Layout { get; }

    /// <summary>The master weights.</summary>
    public FloatVector Weights { get; }

    public FloatVector Gradients { get; }

    public AdamW Optimiser { get; }

    /// <summary>The weights as they were last pushed.</summary>
    public ICheckpoint Pushed => new ParameterCheckpoint(Layout, _pushed);

    /// <summary>Takes over a checkpoint's weights, and pushes them.</summary>
    public void Read(ICheckpoint checkpoint)
    {
        foreach (ParameterSlot slot in Layout.Slots)
            checkpoint.Read(slot.Name, 0, Weights.Values.Slice(slot.Offset, slot.Count));
        Push();
    }

    /// <summary>Rounds the master weights into the copy that the next forward pass and rollout use.</summary>
    public void Push()
    {
        if (_rounds)
            BFloat16.Round(Weights.Values, _pushed.Values);
        else
            Weights.Values.CopyTo(_pushed.Values);
        _forward.Load(Pushed);
    }

    /// <summary>
    /// The weights as they were last pushed, for the engine to read where they lie; until the next push.
    /// </summary>
    /// <param name="version">Their name.</param>
    public unsafe WeightUpdate ToUpdate(string version)
    {
        WeightUpdate update = new() { Version = version };
        foreach (ParameterSlot slot in Layout.Slots)
        {
            nint address = (nint)(_pushed.Address + slot.Offset);
            update.AddPointer(slot.Name, slot.Shape, WeightElement.Float32, address);
        }
        return update;
    }

    /// <summary>Writes every sequence's log-probs under the pushed weights.</summary>
    public void Score(IReadOnlyList<TrainingSequence> batch, float temperature = 1) =>
        Pass(batch, null, temperature);

    /// <summary>
    /// Writes log-probs, and makes the gradients those of the loss, a mean over response tokens.
    /// </summary>
    public BatchOutcome Accumulate(
        IReadOnlyList<TrainingSequence> batch, ITokenLoss loss, float temperature = 1)
    {
        Gradients.Values.Clear();
        return Pass(batch, loss, temperature);
    }

    /// <summary>Moves the master weights by the gradients and pushes them.</summary>
    /// <returns>The gradient's norm.</returns>
    public double Step(double learningRate)
    {
        double norm = Optimiser.Step(Weights, Gradients, learningRate);
        Push();
        return norm;
    }

    public void Dispose()
    {
        _forward.Dispose();
        _backward.Dispose();
        _products.Dispose();
        _pushed.Dispose();
        Weights.Dispose();
        Gradients.Dispose();
        Optimiser.Dispose();
    }

    private BatchOutcome Pass(IReadOnlyList<TrainingSequence> batch, ITokenLoss? loss, float temperature)
    {
        int responseTokens = 0;
        foreach (TrainingSequence sequence in batch)
            responseTokens += sequence.ResponseCount;
        BatchOutcome outcome = new(0, responseTokens, 0);
        for (int first = 0; first < batch.Count;)
        {
            first += _forward.Sequences.Fill(batch, first, temperature);
            _forward.Run(keepsGates: loss is not null);
            outcome = Collect(loss, outcome);
            if (loss is not null)
                _backward.Run(_slopes, temperature);
        }
        return outcome with { Loss = outcome.Loss / Math.Max(1, responseTokens) };
    }

    private BatchOutcome Collect(ITokenLoss? loss, BatchOutcome outcome)
    {
        int row = 0;
        (double total, int clipped) = (outcome.Loss, outcome.ClippedTokens);
        foreach ((TrainingSequence sequence, _) in _forward.Sequences.Sequences)
        {
            if (sequence.LogProbs.Length != sequence.Tokens.Length)
                sequence.LogProbs = new float[sequence.Tokens.Length];
            for (int position = 1; position < sequence.Tokens.Length; position++)
            {
                if (!sequence.IsResponse[position])
                    continue;
                float logProb = _forward.Sequences.Scores.Results[row].LogProb;
                sequence.LogProbs[position] = logProb;
                TokenCost cost = loss?.Of(sequence, position, logProb) ?? default;
                _slopes[row++] = (float)(cost.Slope / outcome.ResponseTokens);
                total += cost.Loss;
                clipped += cost.IsClipped ? 1 : 0;
            }
        }
        return outcome with { Loss = total, ClippedTokens = clipped };
    }
}
