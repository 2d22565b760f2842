namespace PdEngine;

/// <summary>Instruction sets of the CPU backend.</summary>
public enum CpuIsa
{
    /// <summary>
    /// The fastest of this machine: AMX, else bf16 dot products where they beat float32, else AVX-512, else
    /// AVX2.
    /// </summary>
    Auto = 0,

    /// <summary>AVX2 and FMA: float32 products of bf16 weights.</summary>
    Avx2 = 1,

    /// <summary>AVX-512: float32 products of bf16 weights, bitwise equal to <see cref="Avx2"/>.</summary>
    Avx512 = 2,

    /// <summary>AMX bf16 tiles: inputs of products are rounded to bf16.</summary>
    Amx = 3,

    /// <summary>AMX's arithmetic in AVX2, bit for bit, on a machine without it; slow.</summary>
    AmxEmulated = 4,

    /// <summary>
    /// AVX-512 with bf16 dot products: inputs of products are rounded to bf16. Twice as fast as
    /// <see cref="Avx512"/> on AMD Zen 5, slower on Intel.
    /// </summary>
    Avx512Bf16 = 5,
}
