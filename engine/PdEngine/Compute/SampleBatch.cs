namespace PdEngine;

/// <summary>The draws and scores of a batch, their variable-length inputs flat, and their results.</summary>
internal sealed class SampleBatch
{
    private SampleRow[] _rows = new SampleRow[8];
    private SampleResult[] _results = new SampleResult[8];
    private TopLogProb[] _tops = [];
    private int[] _history = [];
    private int[] _biasIds = [];
    private float[] _biasValues = [];
    private int[] _suppressed = [];
    private int _historyCount;
    private int _biasCount;
    private int _suppressedCount;

    public int RowCount { get; private set; }

    public int TopCount { get; private set; }

    /// <summary>Rows in ascending order of <see cref="SampleRow.LogitsRow"/>.</summary>
    public ReadOnlySpan<SampleRow> Rows => _rows.AsSpan(0, RowCount);

    /// <summary>Results [RowCount], written by the backend.</summary>
    public Span<SampleResult> Results => _results.AsSpan(0, RowCount);

    /// <summary>Most likely tokens, row after row, written by the backend.</summary>
    public Span<TopLogProb> Tops => _tops.AsSpan(0, TopCount);

    public ReadOnlySpan<int> History => _history.AsSpan(0, _historyCount);

    public ReadOnlySpan<int> BiasIds => _biasIds.AsSpan(0, _biasCount);

    public ReadOnlySpan<float> BiasValues => _biasValues.AsSpan(0, _biasCount);

    public ReadOnlySpan<int> Suppressed => _suppressed.AsSpan(0, _suppressedCount);

    /// <summary>Fails unless rows [first, first + count) can be drawn from these logits.</summary>
    public void CheckFits(Tensor logits, int firstLogitsRow, int first, int count)
    {
        foreach (ref readonly SampleRow row in Rows.Slice(first, count))
        {
            Check.That((uint)(row.LogitsRow - firstLogitsRow) < (uint)logits.Rows);
            Check.That(row.Target < logits.Columns);
        }
    }

    public void Clear()
    {
        RowCount = 0;
        TopCount = 0;
        _historyCount = 0;
        _biasCount = 0;
        _suppressedCount = 0;
    }

    /// <summary>
    /// Adds history ids that several rows may share: each takes a range that starts at the same index.
    /// </summary>
    /// <returns>Index of the first.</returns>
    public int AppendHistory(ReadOnlySpan<int> history)
    {
        Append(ref _history, ref _historyCount, history);
        return _historyCount - history.Length;
    }

    /// <summary>Adds a bias that several rows may share.</summary>
    /// <returns>Index of the first.</returns>
    public int AppendBias(ReadOnlySpan<int> ids, ReadOnlySpan<float> values)
    {
        Check.That(ids.Length == values.Length);
        int first = _biasCount, count = _biasCount;
        Append(ref _biasIds, ref count, ids);
        Append(ref _biasValues, ref _biasCount, values);
        return first;
    }

    /// <summary>Adds suppressed ids that several rows may share.</summary>
    /// <returns>Index of the first.</returns>
    public int AppendSuppressed(ReadOnlySpan<int> ids)
    {
        Append(ref _suppressed, ref _suppressedCount, ids);
        return _suppressedCount - ids.Length;
    }

    /// <summary>Adds a row; its ranges are set here from the spans given.</summary>
    public void Add(
        SampleRow row, ReadOnlySpan<int> history, ReadOnlySpan<int> biasIds, ReadOnlySpan<float> biasValues,
        ReadOnlySpan<int> suppressed)
    {
        row.FirstHistory = AppendHistory(history);
        row.HistoryCount = history.Length;
        row.FirstBias = AppendBias(biasIds, biasValues);
        row.BiasCount = biasIds.Length;
        row.FirstSuppressed = AppendSuppressed(suppressed);
        row.SuppressedCount = suppressed.Length;
        AddRow(row);
    }

    /// <summary>Adds a row whose history, bias and suppressed ranges are already set.</summary>
    public void AddRow(SampleRow row)
    {
        Check.That(RowCount == 0 || _rows[RowCount - 1].LogitsRow <= row.LogitsRow);
        Check.That(row.FirstHistory + row.HistoryCount <= _historyCount);
        Check.That(row.FirstBias + row.BiasCount <= _biasCount);
        Check.That(row.FirstSuppressed + row.SuppressedCount <= _suppressedCount);
        row.FirstTop = TopCount;
        if (RowCount == _rows.Length)
        {
            Array.Resize(ref _rows, RowCount * 2);
            Array.Resize(ref _results, RowCount * 2);
        }
        _rows[RowCount++] = row;
        TopCount += row.TopCount;
        if (TopCount > _tops.Length)
            Array.Resize(ref _tops, Math.Max(_tops.Length * 2, TopCount));
    }

    private static void Append<T>(ref T[] array, ref int count, ReadOnlySpan<T> items)
    {
        if (count + items.Length > array.Length)
            Array.Resize(ref array, Math.Max(array.Length * 2, count + items.Length));
        items.CopyTo(array.AsSpan(count));
        count += items.Length;
    }
}
