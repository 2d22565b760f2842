namespace PdEngine.Examples;

/// <summary>One task's memory for the gradient of one KV head of one sequence.</summary>
/// <param name="headDim">Elements of a head.</param>
internal sealed unsafe class AttentionScratch(int headDim) : IDisposable
{
    private FloatVector _all = new(0);
    private int _capacity;

    public int Length { get; private set; }

    /// <summary>Length, rounded up to whole vectors.</summary>
    public int PaddedLength { get; private set; }

    /// <summary>[length, headDim].</summary>
    public float* Keys { get; private set; }

    /// <summary>[headDim, padded].</summary>
    public float* KeyColumns { get; private set; }

    /// <summary>[headDim, padded].</summary>
    public float* ValueColumns { get; private set; }

    /// <summary>[length, padded].</summary>
    public float* Probabilities { get; private set; }

    /// <summary>[length, padded].</summary>
    public float* ScoreGradients { get; private set; }

    /// <summary>[padded, headDim].</summary>
    public float* KeyGradients { get; private set; }

    /// <summary>[padded, headDim].</summary>
    public float* ValueGradients { get; private set; }

    /// <summary>[headDim].</summary>
    public float* QueryGradient { get; private set; }

    public void Resize(int length)
    {
        Length = length;
        PaddedLength = (length + Lanes.Count - 1) / Lanes.Count * Lanes.Count;
        int head = PaddedLength * headDim;
        int square = PaddedLength * PaddedLength;
        int wanted = (5 * head) + (2 * square) + headDim;
        if (wanted > _capacity)
        {
            _all.Dispose();
            _all = new FloatVector(wanted);
            _capacity = wanted;
        }
        Keys = _all.Address;
        KeyColumns = Keys + head;
        ValueColumns = KeyColumns + head;
        Probabilities = ValueColumns + head;
        ScoreGradients = Probabilities + square;
        KeyGradients = ScoreGradients + square;
        ValueGradients = KeyGradients + head;
        QueryGradient = ValueGradients + head;
        // A vector of keys may pass the last one: what it reads there must be finite.
        new Span<float>(KeyColumns, 2 * head).Clear();
    }

    public void ClearGradients() => new Span<float>(KeyGradients, 2 * PaddedLength * headDim).Clear();

    public void Dispose() => _all.Dispose();
}
