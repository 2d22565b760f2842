using System.Numerics;

namespace PdEngine;

/// <summary>Kinds of template values.</summary>
internal enum JinjaKind : byte
{
    Undefined,
    None,
    Boolean,
    Integer,
    Float,
    String,
    Sequence,
    Mapping,
    Object,
}

/// <summary>
/// A value of a template, with Python's meaning. Immutable, as in jinja2's immutable sandbox.
/// </summary>
internal readonly struct JinjaValue
{
    private readonly object? _object;
    private readonly long _bits;

    private JinjaValue(JinjaKind kind, object? @object, long bits)
    {
        Kind = kind;
        _object = @object;
        _bits = bits;
    }

    public static JinjaValue None => new(JinjaKind.None, null, 0);

    public static JinjaValue True => new(JinjaKind.Boolean, null, 1);

    public static JinjaValue False => new(JinjaKind.Boolean, null, 0);

    public JinjaKind Kind { get; }

    public bool IsUndefined => Kind == JinjaKind.Undefined;

    public bool IsNone => Kind == JinjaKind.None;

    public bool IsString => Kind == JinjaKind.String;

    /// <summary>True for text that <c>safe</c> or <c>escape</c> made.</summary>
    public bool IsMarkup => IsString && _bits != 0;

    /// <summary>True for booleans too: Python's are integers.</summary>
    public bool IsInteger => Kind is JinjaKind.Integer or JinjaKind.Boolean;

    public bool IsNumber => Kind is JinjaKind.Integer or JinjaKind.Boolean or JinjaKind.Float;

    public string AsString => (string)_object!;

    public BigInteger AsInteger => _object is BigInteger big ? big : _bits;

    public double AsDouble =>
        Kind == JinjaKind.Float ? BitConverter.Int64BitsToDouble(_bits) : (double)AsInteger;

    public JinjaSequence AsSequence => (JinjaSequence)_object!;

    public JinjaMapping AsMapping => (JinjaMapping)_object!;

    public JinjaObject AsObject => (JinjaObject)_object!;

    /// <summary>Why an undefined value is so, for messages.</summary>
    public string Reason => (string?)_object ?? "a value is undefined";

    /// <summary>Python's name of the type, for messages.</summary>
    public string TypeName => Kind switch
    {
        JinjaKind.Undefined => "Undefined",
        JinjaKind.None => "NoneType",
        JinjaKind.Boolean => "bool",
        JinjaKind.Integer => "int",
        JinjaKind.Float => "float",
        JinjaKind.String => "str",
        JinjaKind.Sequence => AsSequence.TypeName,
        JinjaKind.Mapping => "dict",
        _ => AsObject.TypeName,
    };

    /// <summary>Python's truth of the value.</summary>
    public bool IsTrue => Kind switch
    {
        JinjaKind.Undefined or JinjaKind.None => false,
        JinjaKind.Boolean => _bits != 0,
        JinjaKind.Integer => _object is not null || _bits != 0,
        JinjaKind.Float => AsDouble != 0,
        JinjaKind.String => AsString.Length > 0,
        JinjaKind.Sequence => AsSequence.IsTrue,
        JinjaKind.Mapping => AsMapping.Count > 0,
        _ => true,
    };

    /// <summary>Cost of visiting the whole value once, in steps.</summary>
    public long Weight => Kind switch
    {
        JinjaKind.String => 1 + (AsString.Length / 16),
        JinjaKind.Sequence => AsSequence.Weight,
        JinjaKind.Mapping => AsMapping.Weight,
        _ => 1,
    };

    /// <summary>Containers around the innermost value.</summary>
    public int Depth => Kind switch
    {
        JinjaKind.Sequence => AsSequence.Depth,
        JinjaKind.Mapping => AsMapping.Depth,
        _ => 0,
    };

    public static JinjaValue Undefined(string reason) => new(JinjaKind.Undefined, reason, 0);

    public static JinjaValue Boolean(bool value) => value ? True : False;

    public static JinjaValue Integer(long value) => new(JinjaKind.Integer, null, value);

    public static JinjaValue Integer(BigInteger value) => value >= long.MinValue && value <= long.MaxValue
        ? new(JinjaKind.Integer, null, (long)value)
        : new(JinjaKind.Integer, value, 0);

    public static JinjaValue Float(double value) =>
        new(JinjaKind.Float, null, BitConverter.DoubleToInt64Bits(value));

    /// <summary>
    /// Text that is paid for: a literal, or made through <see cref="JinjaContext.Text(string)"/>.
    /// </summary>
    public static JinjaValue String(string value) => new(JinjaKind.String, value, 0);

    /// <summary>Text that is marked as HTML, paid for: adding other text to it escapes that.</summary>
    public static JinjaValue Markup(string value) => new(JinjaKind.String, value, 1);

    public static JinjaValue List(JinjaValue[] items) => Sequence(items, JinjaSequenceKind.List);

    public static JinjaValue Sequence(JinjaValue[] items, JinjaSequenceKind kind) =>
        new(JinjaKind.Sequence, new JinjaSequence(items, kind), 0);

    public static JinjaValue Mapping(JinjaMapping mapping) => new(JinjaKind.Mapping, mapping, 0);

    public static JinjaValue Object(JinjaObject value) => new(JinjaKind.Object, value, 0);

    /// <summary>True where both are one object, or equal scalars of one kind.</summary>
    public bool IsSame(JinjaValue other) => Kind == other.Kind && (IsString
        ? AsString == other.AsString
        : _bits == other._bits && (ReferenceEquals(_object, other._object)
            || (Kind == JinjaKind.Integer && AsInteger == other.AsInteger)));

    public JinjaException UndefinedError() => new(Reason);

    /// <summary>The value as an index or count; an error where it is no integer.</summary>
    public int ToInt(string what)
    {
        if (!IsInteger)
            throw new JinjaException($"{what} must be an integer, not '{TypeName}'");
        return (int)BigInteger.Max(int.MinValue, BigInteger.Min(int.MaxValue, AsInteger));
    }
}
