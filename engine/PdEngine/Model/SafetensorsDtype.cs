namespace PdEngine;

/// <summary>
/// Element types that the safetensors format names; <see cref="SafetensorsDtypes"/> knows their sizes.
/// </summary>
internal enum SafetensorsDtype
{
    Bool,
    F4,
    F6E2M3,
    F6E3M2,
    U8,
    I8,
    F8E5M2,
    F8E4M3,
    F8E8M0,
    F8E4M3Fnuz,
    F8E5M2Fnuz,
    I16,
    U16,
    F16,
    BF16,
    I32,
    U32,
    F32,
    C64,
    F64,
    I64,
    U64,
}

/// <summary>Names and sizes of <see cref="SafetensorsDtype"/>.</summary>
internal static class SafetensorsDtypes
{
    private static readonly (string Name, int Bits)[] Table =
    [
        ("BOOL", 8), ("F4", 4), ("F6_E2M3", 6), ("F6_E3M2", 6), ("U8", 8), ("I8", 8), ("F8_E5M2", 8),
        ("F8_E4M3", 8), ("F8_E8M0", 8), ("F8_E4M3FNUZ", 8), ("F8_E5M2FNUZ", 8), ("I16", 16), ("U16", 16),
        ("F16", 16), ("BF16", 16), ("I32", 32), ("U32", 32), ("F32", 32), ("C64", 64), ("F64", 64),
        ("I64", 64), ("U64", 64),
    ];

    public static bool TryParse(string name, out SafetensorsDtype dtype)
    {
        int index = Array.FindIndex(Table, row => row.Name == name);
        dtype = (SafetensorsDtype)Math.Max(index, 0);
        return index >= 0;
    }

    public static string NameOf(SafetensorsDtype dtype) => Table[(int)dtype].Name;

    public static int BitsOf(SafetensorsDtype dtype) => Table[(int)dtype].Bits;

    /// <summary>Whether <see cref="SafetensorsFile.Read"/> can turn it into float32.</summary>
    public static bool IsWeight(SafetensorsDtype dtype) => dtype is
        SafetensorsDtype.F16 or SafetensorsDtype.BF16 or SafetensorsDtype.F32 or SafetensorsDtype.F64;
}
