using System.Runtime.Intrinsics.X86;

namespace PdEngine.Tests;

/// <summary>Numbers of the instruction sets in pd_cpu.h.</summary>
internal static class AttentionIsa
{
    public const int Avx2 = 1;
    public const int Avx512 = 2;
    public const int Amx = 3;
    public const int AmxEmulated = 4;

    /// <summary>Skips the test where the processor lacks the instruction set.</summary>
    public static void Require(int isa)
    {
        bool wide = Avx512F.VL.IsSupported && Avx512BW.IsSupported && Avx512DQ.IsSupported;
        if ((isa == Avx512 || isa == Amx) && !wide)
            Assert.Ignore("this processor has no AVX-512");
        if (!Avx2Set())
            Assert.Ignore("this processor has no AVX2 and FMA");
    }

    private static bool Avx2Set() => System.Runtime.Intrinsics.X86.Avx2.IsSupported && Fma.IsSupported;
}
