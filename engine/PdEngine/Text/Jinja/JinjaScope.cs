namespace PdEngine;

/// <summary>Names of one block; looked up outwards, set only here.</summary>
internal sealed class JinjaScope
{
    private readonly JinjaScope? _outer;
    private Dictionary<string, JinjaValue>? _names;

    public JinjaScope(JinjaScope? outer) => _outer = outer;

    public void Set(string name, JinjaValue value)
    {
        _names ??= new Dictionary<string, JinjaValue>(StringComparer.Ordinal);
        _names[name] = value;
    }

    public void SetWhenAbsent(string name, JinjaValue value)
    {
        if (_names is null || !_names.ContainsKey(name))
            Set(name, value);
    }

    public bool TryGet(string name, out JinjaValue value)
    {
        for (JinjaScope? scope = this; scope is not null; scope = scope._outer)
        {
            if (scope._names is { } names && names.TryGetValue(name, out value))
                return true;
        }
        value = default;
        return false;
    }
}
