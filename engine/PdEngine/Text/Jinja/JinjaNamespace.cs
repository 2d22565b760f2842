namespace PdEngine;

/// <summary>
/// The one mutable value: <c>namespace(...)</c>, whose attributes <c>set</c> can assign from any scope.
/// </summary>
internal sealed class JinjaNamespace : JinjaObject
{
    private readonly Dictionary<string, JinjaValue> _attributes = new(StringComparer.Ordinal);

    public override string TypeName => "Namespace";

    public override bool TryGetAttribute(JinjaContext context, string name, out JinjaValue value) =>
        _attributes.TryGetValue(name, out value);

    public void Set(string name, JinjaValue value) => _attributes[name] = value;
}
