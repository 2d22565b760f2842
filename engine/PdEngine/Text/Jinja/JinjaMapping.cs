namespace PdEngine;

/// <summary>
/// A dictionary in insertion order; a key that comes again keeps its place and takes the new value.
/// </summary>
internal sealed class JinjaMapping
{
    private readonly OrderedDictionary<JinjaValue, JinjaValue> _entries = new(JinjaKeyComparer.Instance);

    public int Count => _entries.Count;

    public long Weight { get; private set; } = 1;

    public int Depth { get; private set; } = 1;

    public IEnumerable<KeyValuePair<JinjaValue, JinjaValue>> Entries => _entries;

    /// <summary>Sets an entry; only its maker calls this, before a template sees the mapping.</summary>
    public void Set(JinjaValue key, JinjaValue value)
    {
        JinjaComparison.RequireHashable(key);
        Weight += key.Weight + value.Weight;
        Depth = Math.Max(Depth, 1 + Math.Max(key.Depth, value.Depth));
        if (Depth > JinjaLimits.ValueDepth)
            throw new JinjaException($"values nest more than {JinjaLimits.ValueDepth} deep");
        if (Weight > JinjaLimits.ValueWeight)
            throw new JinjaException($"a value holds more than {JinjaLimits.ValueWeight} parts");
        _entries[key] = value;
    }

    public void Set(string key, JinjaValue value) => Set(JinjaValue.String(key), value);

    public bool TryGet(JinjaValue key, out JinjaValue value) => _entries.TryGetValue(key, out value);

    public bool TryGet(string key, out JinjaValue value) =>
        _entries.TryGetValue(JinjaValue.String(key), out value);

    public JinjaValue[] Keys() => [.. _entries.Keys];

    public JinjaValue[] Values() => [.. _entries.Values];

    /// <summary>Each entry as a tuple of key and value.</summary>
    public JinjaValue[] Pairs()
    {
        JinjaValue[] pairs = new JinjaValue[_entries.Count];
        int index = 0;
        foreach (KeyValuePair<JinjaValue, JinjaValue> entry in _entries)
            pairs[index++] = JinjaValue.Sequence([entry.Key, entry.Value], JinjaSequenceKind.Tuple);
        return pairs;
    }
}
