namespace PdEngine.Tests;

/// <summary>
/// Every instruction set as pd_cpu.h numbers it; what the machine lacks is skipped with its reason.
/// </summary>
[AttributeUsage(AttributeTargets.Parameter)]
internal sealed class EachAttentionIsaAttribute()
    : ValuesAttribute(
        AttentionIsa.Avx2, AttentionIsa.Avx512, AttentionIsa.Avx512Bf16, AttentionIsa.Amx,
        AttentionIsa.AmxEmulated);
