namespace PdEngine.Tests;

/// <summary>
/// Every instruction set as the argument; what the machine lacks is skipped with its reason.
/// </summary>
[AttributeUsage(AttributeTargets.Parameter)]
internal sealed class EachIsaAttribute()
    : ValuesAttribute(
        CpuIsa.Avx2, CpuIsa.Avx512, CpuIsa.Avx512Bf16, CpuIsa.Amx, CpuIsa.AmxEmulated);
