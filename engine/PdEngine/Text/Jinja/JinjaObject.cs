namespace PdEngine;

/// <summary>A value with identity: a namespace, a loop's state or something that can be called.</summary>
internal abstract class JinjaObject
{
    public abstract string TypeName { get; }

    /// <summary>An attribute by name; false where there is none.</summary>
    public virtual bool TryGetAttribute(JinjaContext context, string name, out JinjaValue value)
    {
        value = default;
        return false;
    }
}
