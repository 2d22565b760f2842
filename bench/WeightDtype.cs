namespace PdEngine.Bench;

/// <summary>How weights are held.</summary>
internal enum WeightDtype
{
    Bf16,
    Int8,
}

/// <summary>Names of <see cref="WeightDtype"/> in flags and reports.</summary>
internal static class WeightDtypes
{
    public static string NameOf(WeightDtype dtype) => dtype == WeightDtype.Int8 ? "int8" : "bf16";

    public static Quantization QuantizationOf(WeightDtype dtype) =>
        dtype == WeightDtype.Int8 ? Quantization.W8A8Int8 : Quantization.None;

    public static MatrixElement ElementOf(WeightDtype dtype) =>
        dtype == WeightDtype.Int8 ? MatrixElement.Int8 : MatrixElement.Native;

    /// <summary>The GGUF type that costs a peer as much per weight.</summary>
    public static GgufType PeerType(WeightDtype dtype) =>
        dtype == WeightDtype.Int8 ? GgufType.Q8_0 : GgufType.BF16;
}
