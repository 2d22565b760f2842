namespace PdEngine;

/// <summary>
/// Cosines and sines by position, float32 from a double angle, made as positions are first needed.
/// </summary>
/// <param name="inverseFrequencies">One for each pair.</param>
/// <param name="attentionFactor">Of every value.</param>
/// <param name="backend">Whose memory it lies in; null is the host's.</param>
internal sealed class RopeTable(
    float[] inverseFrequencies, float attentionFactor, IBackend? backend = null) : IDisposable
{
    private Tensor _table = new(0, inverseFrequencies.Length * 2);
    private int _positions;

    /// <summary>Pairs per head: half its width.</summary>
    public int PairCount { get; } = inverseFrequencies.Length;

    /// <summary>
    /// The table [positions, 2 * PairCount]: cosines of all pairs, then sines; at least this many positions.
    /// </summary>
    public Tensor Require(int positionCount)
    {
        if (positionCount > _table.RowCapacity)
        {
            int capacity = Math.Max(positionCount, Math.Max(256, _table.RowCapacity * 2));
            Grow(backend?.CreateTensor(capacity, PairCount * 2) ?? new(capacity, PairCount * 2));
        }
        for (; _positions < positionCount; _positions++)
            Fill(_table.Row(_positions), _positions);
        return _table;
    }

    public void Dispose() => _table.Dispose();

    private void Grow(Tensor grown)
    {
        if (grown.IsHost)
        {
            for (int position = 0; position < _positions; position++)
                _table.Row(position).CopyTo(grown.Row(position));
        }
        else
        {
            // A device's memory is written between steps, which waits: all of it at once.
            float[] values = new float[grown.RowCapacity * grown.Stride];
            for (_positions = 0; _positions < grown.RowCapacity; _positions++)
                Fill(values.AsSpan(_positions * grown.Stride, grown.Columns), _positions);
            grown.Memory.Write(0, values);
        }
        _table.Dispose();
        _table = grown;
    }

    private void Fill(Span<float> row, int position)
    {
        for (int pair = 0; pair < PairCount; pair++)
        {
            double angle = position * (double)inverseFrequencies[pair];
            row[pair] = (float)(Math.Cos(angle) * attentionFactor);
            row[PairCount + pair] = (float)(Math.Sin(angle) * attentionFactor);
        }
    }
}
