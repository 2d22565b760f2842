namespace PdEngine.Tests;

/// <summary><see cref="CpuIsa"/> as pd_cpu.h numbers it.</summary>
internal static class AttentionIsa
{
    public const int Avx2 = (int)CpuIsa.Avx2;
    public const int Avx512 = (int)CpuIsa.Avx512;
    public const int Amx = (int)CpuIsa.Amx;
    public const int AmxEmulated = (int)CpuIsa.AmxEmulated;
    public const int Avx512Bf16 = (int)CpuIsa.Avx512Bf16;

    /// <summary>Skips the test where this machine lacks the instruction set.</summary>
    public static void Require(int isa)
    {
        if (CpuIsaSupport.WhyNot((CpuIsa)isa) is { } reason)
            Assert.Ignore(reason);
    }
}
