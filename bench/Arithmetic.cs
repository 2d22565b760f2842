namespace PdEngine.Bench;

/// <summary>What multiplies: each has a rate of its own that a kernel's share is a share of.</summary>
internal enum Arithmetic
{
    /// <summary>Float32 fused multiply-adds of the widest vectors.</summary>
    Fma = 1,

    /// <summary>512-bit dot products of int8.</summary>
    Vnni = 2,

    /// <summary>AMX tiles of bf16.</summary>
    AmxTiles = 3,

    /// <summary>512-bit dot products of bf16.</summary>
    Bf16Dots = 5,

    /// <summary>AMX tiles of int8: twice the operations of a bf16 tile in the same time; no probe.</summary>
    AmxInt8Tiles = 100,
}

/// <summary>Which arithmetic an instruction set's kernels use.</summary>
internal static class Arithmetics
{
    /// <summary>The arithmetic that the products of a resolved instruction set use.</summary>
    public static Arithmetic Of(CpuIsa isa, WeightDtype dtype) => (isa, dtype) switch
    {
        (CpuIsa.Amx, WeightDtype.Int8) => Arithmetic.AmxInt8Tiles,
        (CpuIsa.Amx, _) => Arithmetic.AmxTiles,
        (CpuIsa.Avx512 or CpuIsa.Avx512Bf16, WeightDtype.Int8) => Arithmetic.Vnni,
        (CpuIsa.Avx512Bf16, _) => Arithmetic.Bf16Dots,
        _ => Arithmetic.Fma,
    };

    public static string NameOf(Arithmetic arithmetic) => arithmetic switch
    {
        Arithmetic.Vnni => "VNNI int8",
        Arithmetic.AmxTiles => "AMX bf16",
        Arithmetic.AmxInt8Tiles => "AMX int8",
        Arithmetic.Bf16Dots => "bf16 dots",
        _ => "float32 FMA",
    };
}
