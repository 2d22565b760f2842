namespace PdEngine;

/// <summary>
/// Element types of GGUF tensors, with ggml's numbers; <see cref="GgufTypes"/> knows their blocks.
/// </summary>
internal enum GgufType
{
    F32 = 0,
    F16 = 1,
    Q4_0 = 2,
    Q4_1 = 3,
    Q5_0 = 6,
    Q5_1 = 7,
    Q8_0 = 8,
    Q2_K = 10,
    Q3_K = 11,
    Q4_K = 12,
    Q5_K = 13,
    Q6_K = 14,
    IQ4_NL = 20,
    IQ4_XS = 23,
    BF16 = 30,
}

/// <summary>Block sizes of <see cref="GgufType"/>, and the names of ggml types that are not read.</summary>
internal static class GgufTypes
{
    /// <summary>Elements of the longest block.</summary>
    public const int MaxBlockElements = 256;

    /// <summary>Bytes of the longest block.</summary>
    public const int MaxBlockBytes = 210;

    private static readonly Dictionary<uint, string> Unread = new()
    {
        [9] = "Q8_1", [15] = "Q8_K", [16] = "IQ2_XXS", [17] = "IQ2_XS", [18] = "IQ3_XXS", [19] = "IQ1_S",
        [21] = "IQ3_S", [22] = "IQ2_S", [24] = "I8", [25] = "I16", [26] = "I32", [27] = "I64", [28] = "F64",
        [29] = "IQ1_M", [34] = "TQ1_0", [35] = "TQ2_0", [39] = "MXFP4", [40] = "NVFP4",
    };

    /// <summary>
    /// Elements and bytes of one block; (0, 0) for a number that is no <see cref="GgufType"/>.
    /// </summary>
    public static (int Elements, int Bytes) BlockOf(GgufType type) => type switch
    {
        GgufType.F32 => (1, 4),
        GgufType.F16 or GgufType.BF16 => (1, 2),
        GgufType.Q4_0 or GgufType.IQ4_NL => (32, 18),
        GgufType.Q4_1 => (32, 20),
        GgufType.Q5_0 => (32, 22),
        GgufType.Q5_1 => (32, 24),
        GgufType.Q8_0 => (32, 34),
        GgufType.Q2_K => (256, 84),
        GgufType.Q3_K => (256, 110),
        GgufType.Q4_K => (256, 144),
        GgufType.Q5_K => (256, 176),
        GgufType.Q6_K => (256, 210),
        GgufType.IQ4_XS => (256, 136),
        _ => (0, 0),
    };

    /// <summary>ggml's name of a type that is not read, or its number.</summary>
    public static string NameOfUnread(uint number) =>
        Unread.TryGetValue(number, out string? name) ? name : $"number {number}";
}
