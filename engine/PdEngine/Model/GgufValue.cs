namespace PdEngine;

/// <summary>Types of GGUF metadata values, with the format's numbers.</summary>
internal enum GgufValueType
{
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    F32,
    Bool,
    Text,
    Array,
    U64,
    I64,
    F64,
}

/// <summary>
/// One metadata value. Scalars are held; strings and arrays are left in the file until asked for, since a
/// vocabulary is megabytes and opening a file must not cost them.
/// </summary>
/// <param name="Type">Its type.</param>
/// <param name="Bits">A scalar's value, sign-extended to 64 bits; floating point as a double's bits.</param>
/// <param name="ElementType">An array's element type.</param>
/// <param name="Count">An array's elements or a string's bytes.</param>
/// <param name="OffsetBytes">Where a string's bytes or an array's first element are in the file.</param>
internal readonly record struct GgufValue(
    GgufValueType Type, ulong Bits, GgufValueType ElementType = default, long Count = 0, long OffsetBytes = 0)
{
    /// <summary>Bytes of a scalar of a type; 0 for strings, arrays and unknown types.</summary>
    public static int ScalarBytes(GgufValueType type) => type switch
    {
        GgufValueType.U8 or GgufValueType.I8 or GgufValueType.Bool => 1,
        GgufValueType.U16 or GgufValueType.I16 => 2,
        GgufValueType.U32 or GgufValueType.I32 or GgufValueType.F32 => 4,
        GgufValueType.U64 or GgufValueType.I64 or GgufValueType.F64 => 8,
        _ => 0,
    };

    /// <summary>A whole number of any width, where this is one that fits a long.</summary>
    public bool TryInteger(out long value)
    {
        value = (long)Bits;
        return Type is GgufValueType.U8 or GgufValueType.I8 or GgufValueType.U16 or GgufValueType.I16
            or GgufValueType.U32 or GgufValueType.I32 or GgufValueType.I64
            || (Type == GgufValueType.U64 && value >= 0);
    }

    /// <summary>A floating point or whole number.</summary>
    public bool TryNumber(out double value)
    {
        if (Type is GgufValueType.F32 or GgufValueType.F64)
        {
            value = BitConverter.UInt64BitsToDouble(Bits);
            return true;
        }
        bool whole = TryInteger(out long integer);
        value = integer;
        return whole;
    }
}
