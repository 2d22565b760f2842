namespace PdEngine;

/// <summary>Python's equality and hash for dictionary keys: 1, 1.0 and True are one key.</summary>
internal sealed class JinjaKeyComparer : IEqualityComparer<JinjaValue>
{
    public static readonly JinjaKeyComparer Instance = new();

    public bool Equals(JinjaValue x, JinjaValue y) => JinjaComparison.AreEqual(x, y);

    public int GetHashCode(JinjaValue value)
    {
        switch (value.Kind)
        {
            case JinjaKind.Boolean or JinjaKind.Integer or JinjaKind.Float:
                return value.AsDouble.GetHashCode();
            case JinjaKind.String:
                return value.AsString.GetHashCode(StringComparison.Ordinal);
            case JinjaKind.Sequence:
                HashCode hash = default;
                foreach (JinjaValue item in value.AsSequence.Items)
                    hash.Add(GetHashCode(item));
                return hash.ToHashCode();
            case JinjaKind.Object:
                return System.Runtime.CompilerServices.RuntimeHelpers.GetHashCode(value.AsObject);
            default:
                return (int)value.Kind;
        }
    }
}
