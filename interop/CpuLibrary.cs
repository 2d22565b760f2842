using System.Diagnostics.CodeAnalysis;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace PdEngine.Interop;

/// <summary>
/// Where libpd_cpu comes from: out of the program itself where that is one file, and else from beside it. A
/// program that has the library inside never looks elsewhere, and writes it to no file system.
/// </summary>
internal static partial class CpuLibrary
{
    /// <summary>The library's file, and its name inside a program that is one file.</summary>
    internal const string FileName = "libpd_cpu.so";

    private const string ImportName = "pd_cpu";
    private const uint CloseOnExec = 1;
    private const uint Executable = 0x10;

    private static readonly Lazy<nint> Embedded = new(() => LoadFrom(Assembly.GetEntryAssembly()));

    /// <summary>Whether the program has the library inside.</summary>
    internal static bool IsEmbedded => IsInside(Assembly.GetEntryAssembly());

    [ModuleInitializer]
    [SuppressMessage("Usage", "CA2255", Justification = "Has to come before the first import is resolved.")]
    internal static void Register() =>
        NativeLibrary.SetDllImportResolver(typeof(CpuLibrary).Assembly,
            (name, _, _) => name == ImportName ? Embedded.Value : 0);

    /// <summary>Loads the library that is inside an assembly; 0 where none is.</summary>
    /// <exception cref="DllNotFoundException">It is there, and the system does not take it.</exception>
    internal static nint LoadFrom(Assembly? program)
    {
        if (!IsInside(program))
            return 0;
        using Stream stored = program!.GetManifestResourceStream(FileName)!;
        // Kernels from before 6.3 do not know the second flag, and some later ones want it.
        int descriptor = memfd_create(FileName, CloseOnExec | Executable);
        if (descriptor < 0)
            descriptor = memfd_create(FileName, CloseOnExec);
        if (descriptor < 0)
        {
            throw new DllNotFoundException(
                $"{FileName} is inside the program, and memory for it was refused: memfd_create, error "
                + $"{Marshal.GetLastPInvokeError()}");
        }
        using SafeFileHandle memory = new(descriptor, ownsHandle: true);
        using (FileStream file = new(memory, FileAccess.Write, bufferSize: 0))
        {
            stored.CopyTo(file);
            try
            {
                return NativeLibrary.Load($"/proc/self/fd/{descriptor}");
            }
            catch (DllNotFoundException refused) when (!Directory.Exists("/proc/self/fd"))
            {
                throw new DllNotFoundException(
                    $"{FileName} is inside the program and is loaded through /proc, which is not mounted",
                    refused);
            }
        }
    }

    private static bool IsInside(Assembly? program) => program?.GetManifestResourceInfo(FileName) is not null;

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
    private static partial int memfd_create(string name, uint flags);
}
