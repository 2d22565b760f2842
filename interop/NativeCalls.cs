using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace PdEngine.Interop;

/// <summary>Turns native statuses into exceptions.</summary>
internal static class NativeCalls
{
    internal static unsafe void ThrowIfFailed(
        NativeStatus status, [CallerArgumentExpression(nameof(status))] string operation = "")
    {
        if (status == NativeStatus.Ok)
            return;
        string text = Marshal.PtrToStringUTF8((nint)CpuNative.pd_last_error()) ?? "no reason given";
        throw new NativeException(operation, $"{text} ({status})");
    }
}
