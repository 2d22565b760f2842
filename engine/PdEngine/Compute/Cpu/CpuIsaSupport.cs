using System.Runtime.InteropServices;
using PdEngine.Interop;

namespace PdEngine;

/// <summary>Which instruction sets this process can run, and why not the others.</summary>
internal static unsafe class CpuIsaSupport
{
    /// <summary>Every instruction set but <see cref="CpuIsa.Auto"/>.</summary>
    public static IReadOnlyList<CpuIsa> All { get; } =
        [CpuIsa.Avx2, CpuIsa.Avx512, CpuIsa.Avx512Bf16, CpuIsa.Amx, CpuIsa.AmxEmulated];

    /// <summary>The name that flags and reports use, for example <c>avx512</c>.</summary>
    public static string NameOf(CpuIsa isa) => isa switch
    {
        CpuIsa.Auto => "auto",
        CpuIsa.Avx2 => "avx2",
        CpuIsa.Avx512 => "avx512",
        CpuIsa.Avx512Bf16 => "avx512-bf16",
        CpuIsa.Amx => "amx",
        CpuIsa.AmxEmulated => "amx-emulated",
        _ => throw new InvariantException($"there is no instruction set {(int)isa}"),
    };

    /// <summary>Why this process cannot run an instruction set; null where it can.</summary>
    public static string? WhyNot(CpuIsa isa)
    {
        if (isa == CpuIsa.Auto)
            return WhyNot(CpuIsa.Avx2);
        try
        {
            return CpuNative.pd_cpu_isa_supported((int)isa) == NativeStatus.Ok
                ? null
                : Marshal.PtrToStringUTF8((nint)CpuNative.pd_last_error());
        }
        catch (DllNotFoundException missing)
        {
            return CpuLibrary.IsEmbedded
                ? missing.Message
                : $"{CpuLibrary.FileName} is not beside the program, where the build puts it "
                    + $"({missing.Message})";
        }
        catch (BadImageFormatException foreign)
        {
            return $"{CpuLibrary.FileName} is not for this machine ({foreign.Message})";
        }
    }

    /// <summary>The instruction set itself, or for <see cref="CpuIsa.Auto"/> the best one.</summary>
    /// <exception cref="BackendException">This process cannot run it.</exception>
    public static CpuIsa Resolve(CpuIsa isa)
    {
        if (isa == CpuIsa.Auto)
            isa = WhyNot(CpuIsa.Avx2) is null ? (CpuIsa)CpuNative.pd_cpu_best_isa() : CpuIsa.Avx2;
        if (WhyNot(isa) is { } reason)
        {
            throw new BackendException(
                $"The CPU backend cannot run {NameOf(isa)}: {reason}. Choose another instruction set, or " +
                "the reference backend.");
        }
        return isa;
    }
}
