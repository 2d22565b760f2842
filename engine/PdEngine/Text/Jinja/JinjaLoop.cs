namespace PdEngine;

/// <summary>
/// A running loop, and what <c>loop.</c> tells of it. Its condition is asked as late as jinja2 asks it.
/// </summary>
internal sealed class JinjaLoop : JinjaObject
{
    private readonly JinjaValue[] _source;
    private readonly Func<JinjaValue, bool>? _isWanted;
    private readonly List<JinjaValue> _wanted = [];
    private int _asked;
    private int _index = -1;
    private JinjaValue[]? _lastChanged;

    public JinjaLoop(JinjaValue[] source, Func<JinjaValue, bool>? isWanted)
    {
        _source = source;
        _isWanted = isWanted;
    }

    public override string TypeName => "LoopContext";

    public bool TryAdvance(out JinjaValue item)
    {
        _index++;
        return TryGet(_index, out item);
    }

    public override bool TryGetAttribute(JinjaContext context, string name, out JinjaValue value)
    {
        JinjaValue? known = name switch
        {
            "index" => JinjaValue.Integer(_index + 1),
            "index0" => JinjaValue.Integer(_index),
            "revindex" => JinjaValue.Integer(Count() - _index),
            "revindex0" => JinjaValue.Integer(Count() - _index - 1),
            "length" => JinjaValue.Integer(Count()),
            "first" => JinjaValue.Boolean(_index == 0),
            "last" => JinjaValue.Boolean(!TryGet(_index + 1, out _)),
            "depth" => JinjaValue.Integer(1),
            "depth0" => JinjaValue.Integer(0),
            "previtem" => _index > 0 && TryGet(_index - 1, out JinjaValue previous)
                ? previous
                : JinjaValue.Undefined("there is no previous item"),
            "nextitem" => TryGet(_index + 1, out JinjaValue next)
                ? next
                : JinjaValue.Undefined("there is no next item"),
            "cycle" => JinjaValue.Object(new JinjaFunction(name, Cycle)),
            "changed" => JinjaValue.Object(new JinjaFunction(name, Changed)),
            _ => null,
        };
        value = known ?? default;
        return known is not null;
    }

    private int Count()
    {
        if (_isWanted is null)
            return _source.Length;
        while (_asked < _source.Length)
            AskNext();
        return _wanted.Count;
    }

    private bool TryGet(int index, out JinjaValue item)
    {
        while (_isWanted is not null && _wanted.Count <= index && _asked < _source.Length)
            AskNext();
        IReadOnlyList<JinjaValue> items = _isWanted is null ? _source : _wanted;
        item = index < items.Count ? items[index] : default;
        return index < items.Count;
    }

    private void AskNext()
    {
        JinjaValue candidate = _source[_asked++];
        if (_isWanted!(candidate))
            _wanted.Add(candidate);
    }

    private JinjaValue Cycle(JinjaContext context, JinjaArguments arguments) => arguments.Positional.Count > 0
        ? arguments.Positional[_index % arguments.Positional.Count]
        : throw new JinjaException("no items for cycling given");

    private JinjaValue Changed(JinjaContext context, JinjaArguments arguments)
    {
        JinjaValue[] values = [.. arguments.Positional];
        bool same = _lastChanged is { } last && last.Length == values.Length;
        for (int index = 0; same && index < values.Length; index++)
            same = JinjaComparison.AreEqual(context, values[index], _lastChanged![index]);
        _lastChanged = values;
        return JinjaValue.Boolean(!same);
    }
}
