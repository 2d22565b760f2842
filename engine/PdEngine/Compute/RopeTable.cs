namespace PdEngine;

/// <summary>
/// Cosines and sines by position, float32 from a double angle, made as positions are first needed.
/// </summary>
internal sealed class RopeTable(float[] inverseFrequencies, float attentionFactor) : IDisposable
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
            Tensor grown = new(Math.Max(positionCount, Math.Max(256, _table.RowCapacity * 2)), PairCount * 2);
            for (int position = 0; position < _positions; position++)
                _table.Row(position).CopyTo(grown.Row(position));
            _table.Dispose();
            _table = grown;
        }
        for (; _positions < positionCount; _positions++)
            Fill(_table.Row(_positions), _positions);
        return _table;
    }

    public void Dispose() => _table.Dispose();

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
