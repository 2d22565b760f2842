namespace PdEngine;

/// <summary>Which Python type a sequence stands for.</summary>
internal enum JinjaSequenceKind : byte
{
    List,
    Tuple,
    Range,
    Generator,
    Keys,
    Values,
    Items,
}

/// <summary>An ordered run of values: list, tuple, range, dictionary view or generator.</summary>
internal sealed class JinjaSequence
{
    private readonly JinjaValue[] _items;
    private int _taken;

    public JinjaSequence(JinjaValue[] items, JinjaSequenceKind kind)
    {
        _items = items;
        Kind = kind;
        foreach (JinjaValue item in items)
        {
            Weight += item.Weight;
            Depth = Math.Max(Depth, item.Depth);
        }
        Weight++;
        Depth++;
        if (Depth > JinjaLimits.ValueDepth)
            throw new JinjaException($"values nest more than {JinjaLimits.ValueDepth} deep");
        if (Weight > JinjaLimits.ValueWeight)
            throw new JinjaException($"a value holds more than {JinjaLimits.ValueWeight} parts");
    }

    public JinjaSequenceKind Kind { get; }

    public long Weight { get; }

    public int Depth { get; }

    /// <summary>Items left; a generator's run out as they are taken.</summary>
    public ReadOnlySpan<JinjaValue> Items => _items.AsSpan(_taken);

    /// <summary>Python's truth: a generator is true even where nothing is left.</summary>
    public bool IsTrue => Kind == JinjaSequenceKind.Generator || _items.Length > 0;

    /// <summary>True for what Python can index and slice.</summary>
    public bool IsIndexable => Kind <= JinjaSequenceKind.Range;

    public string TypeName => Kind switch
    {
        JinjaSequenceKind.List => "list",
        JinjaSequenceKind.Tuple => "tuple",
        JinjaSequenceKind.Range => "range",
        JinjaSequenceKind.Generator => "generator",
        JinjaSequenceKind.Keys => "dict_keys",
        JinjaSequenceKind.Values => "dict_values",
        _ => "dict_items",
    };

    /// <summary>All items left, which are then gone where this is a generator.</summary>
    public JinjaValue[] TakeAll()
    {
        if (Kind != JinjaSequenceKind.Generator)
            return _items;
        JinjaValue[] rest = _taken == 0 ? _items : _items[_taken..];
        _taken = _items.Length;
        return rest;
    }

    /// <summary>The next item of a generator, or the first of anything else.</summary>
    public bool TryTakeFirst(out JinjaValue first)
    {
        first = default;
        if (_taken >= _items.Length)
            return false;
        first = _items[_taken];
        if (Kind == JinjaSequenceKind.Generator)
            _taken++;
        return true;
    }
}
