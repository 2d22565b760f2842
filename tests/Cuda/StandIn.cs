using System.Runtime.InteropServices;
using PdEngine.Interop;

namespace PdEngine.Tests;

/// <summary>The driver that runs on virtual GPUs, and what tests set and ask of it.</summary>
internal static unsafe class StandIn
{
    public const int Allocation = 0;
    public const int Copy = 1;
    public const int Launch = 2;

    private static string _test = "";

    public static string Path { get; } =
        System.IO.Path.Combine(AppContext.BaseDirectory, "libpd_cuda_standin.so");

    /// <summary>A new machine; whatever was made on the last one is gone.</summary>
    /// <param name="deviceCount">Virtual GPUs.</param>
    /// <param name="seed">0 runs everything as late as is allowed; others also at random moments.</param>
    /// <param name="megabytes">Memory of each.</param>
    public static CudaDriver Open(int deviceCount = 2, ulong seed = 0, int megabytes = 64)
    {
        Reset(deviceCount, seed, megabytes);
        return CudaDriver.Open(Path);
    }

    /// <inheritdoc cref="Open" path="/param"/>
    public static void Reset(int deviceCount = 2, ulong seed = 0, int megabytes = 64)
    {
        // What nobody disposed of must not be released on the new machine.
        GC.Collect();
        GC.WaitForPendingFinalizers();
        string takenAway = TakeTakenAway();
        if (takenAway.Length > 0)
            throw new InvalidOperationException($"{_test} took away what was still to be used: {takenAway}");
        _test = TestContext.CurrentContext.Test.FullName;
        ((delegate* unmanaged<int, ulong, ulong, void>)Find("pd_standin_reset"))(
            deviceCount, (ulong)megabytes << 20, seed);
    }

    public static void SetDriverVersion(int version) =>
        ((delegate* unmanaged<int, void>)Find("pd_standin_set_driver_version"))(version);

    public static void SetCapability(int capability) =>
        ((delegate* unmanaged<int, void>)Find("pd_standin_set_compute_capability"))(capability);

    /// <summary>Whether GPUs can be given access to each other's memory.</summary>
    public static void SetPeers(bool hasPeers) =>
        ((delegate* unmanaged<int, void>)Find("pd_standin_set_peers"))(hasPeers ? 1 : 0);

    /// <summary>The allocation, copy or launch after so many more fails, once.</summary>
    public static void Fail(int kind, int after = 0) =>
        ((delegate* unmanaged<int, int, void>)Find("pd_standin_fail"))(kind, after);

    /// <summary>Leaves waits undone, as if the caller had forgotten them.</summary>
    public static void DropWaits(bool ofStreams = false, bool ofThreads = false) =>
        ((delegate* unmanaged<int, int, void>)Find("pd_standin_drop_waits"))(
            ofStreams ? 1 : 0, ofThreads ? 1 : 0);

    /// <summary>What goes from one GPU to another arrives with a bit wrong.</summary>
    public static void SpoilPeers(bool copies = false, bool reads = false) =>
        ((delegate* unmanaged<int, int, void>)Find("pd_standin_spoil_peers"))(copies ? 1 : 0, reads ? 1 : 0);

    /// <summary>Whether streams can be held to some of a GPU's multiprocessors.</summary>
    public static void SetPartitions(bool hasPartitions) =>
        ((delegate* unmanaged<int, void>)Find("pd_standin_set_partitions"))(hasPartitions ? 1 : 0);

    /// <summary>Streams that are held to so many multiprocessors; 0 is those that are not held.</summary>
    public static long StreamsOf(int multiprocessors) =>
        ((delegate* unmanaged<uint, long>)Find("pd_standin_streams_of"))((uint)multiprocessors);

    public static void LoseDevice(int device) =>
        ((delegate* unmanaged<int, void>)Find("pd_standin_lose_device"))(device);

    public static long LiveObjects() =>
        ((delegate* unmanaged<long>)Find("pd_standin_live_objects"))();

    public static long UsedBytes(int device) =>
        ((delegate* unmanaged<int, long>)Find("pd_standin_used_bytes"))(device);

    public static ulong LaunchCount() =>
        ((delegate* unmanaged<ulong>)Find("pd_standin_launch_count"))();

    public static ulong GraphLaunchCount() =>
        ((delegate* unmanaged<ulong>)Find("pd_standin_graph_launch_count"))();

    /// <summary>Of the launches, those that might start before the one before them had ended.</summary>
    public static ulong EarlyLaunchCount() =>
        ((delegate* unmanaged<ulong>)Find("pd_standin_early_launch_count"))();

    /// <summary>
    /// What pending work was left without since this was last asked; a test that leaves any fails the next.
    /// </summary>
    public static string TakeTakenAway() =>
        Marshal.PtrToStringUTF8((nint)((delegate* unmanaged<byte*>)Find("pd_standin_take_taken_away"))())!;

    private static void* Find(string symbol) =>
        (void*)NativeLibrary.GetExport(NativeLibrary.Load(Path), symbol);
}
