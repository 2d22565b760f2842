using System.Runtime.InteropServices;

namespace PdEngine.Tests;

/// <summary>NVIDIA's libraries as they are on virtual GPUs, and what tests set and ask of them.</summary>
internal static unsafe class LibraryStandIns
{
    public static string Nccl { get; } = Path.Combine(AppContext.BaseDirectory, "libpd_nccl_standin.so");

    public static string Cublas { get; } =
        Path.Combine(AppContext.BaseDirectory, "libpd_cublaslt_standin.so");

    /// <summary>No driver, but for its <c>cuInit</c>.</summary>
    public static string HalfDriver { get; } =
        Path.Combine(AppContext.BaseDirectory, "libpd_half_driver_standin.so");

    /// <summary>How NCCL behaves from now on.</summary>
    /// <param name="version">22809 is 2.28.9.</param>
    /// <param name="polls">Questions until a communicator is ready.</param>
    /// <param name="hangs">None ever is.</param>
    /// <param name="stalls">No all-gather ever ends.</param>
    /// <param name="failsAfter">Calls until one fails; -1: none does.</param>
    public static void SetNccl(
        int version = 22809, int polls = 3, bool hangs = false, bool stalls = false, int failsAfter = -1) =>
        ((delegate* unmanaged<int, int, int, int, int, void>)Find(Nccl, "pd_nccl_standin_set"))(
            version, polls, hangs ? 1 : 0, stalls ? 1 : 0, failsAfter);

    /// <summary>Communicators that were made and neither destroyed nor aborted.</summary>
    public static long LiveCommunicators() =>
        ((delegate* unmanaged<long>)Find(Nccl, "pd_nccl_standin_live"))();

    /// <summary>Gathers that failed because a test asked for that, since it last set anything.</summary>
    public static long FailedGathers() =>
        ((delegate* unmanaged<long>)Find(Nccl, "pd_nccl_standin_failed"))();

    /// <summary>How cuBLASLt behaves from now on.</summary>
    public static void SetCublas(int version = 120405, bool findsNone = false) =>
        ((delegate* unmanaged<nuint, int, void>)Find(Cublas, "pd_cublaslt_standin_set"))(
            (nuint)version, findsNone ? 1 : 0);

    private static void* Find(string path, string symbol) =>
        (void*)NativeLibrary.GetExport(NativeLibrary.Load(path), symbol);
}
