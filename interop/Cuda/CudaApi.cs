namespace PdEngine.Interop;

/// <summary>
/// The entry points of one CUDA driver, by their own names. They are looked up when it is opened, not linked:
/// a program may run without any driver, and a test may have a stand-in beside the real one.
/// </summary>
/// <param name="library">Where they are looked for.</param>
/// <exception cref="CudaException">The library lacks an entry point; it is named.</exception>
internal sealed unsafe class CudaApi(CudaLibrary library)
{
    internal readonly delegate* unmanaged<uint, CudaResult> cuInit =
        (delegate* unmanaged<uint, CudaResult>)library.Require("cuInit");
    internal readonly delegate* unmanaged<int*, CudaResult> cuDriverGetVersion =
        (delegate* unmanaged<int*, CudaResult>)library.Require("cuDriverGetVersion");
    internal readonly delegate* unmanaged<CudaResult, byte**, CudaResult> cuGetErrorName =
        (delegate* unmanaged<CudaResult, byte**, CudaResult>)library.Require("cuGetErrorName");
    internal readonly delegate* unmanaged<CudaResult, byte**, CudaResult> cuGetErrorString =
        (delegate* unmanaged<CudaResult, byte**, CudaResult>)library.Require("cuGetErrorString");

    internal readonly delegate* unmanaged<int*, CudaResult> cuDeviceGetCount =
        (delegate* unmanaged<int*, CudaResult>)library.Require("cuDeviceGetCount");
    internal readonly delegate* unmanaged<int*, int, CudaResult> cuDeviceGet =
        (delegate* unmanaged<int*, int, CudaResult>)library.Require("cuDeviceGet");
    internal readonly delegate* unmanaged<byte*, int, int, CudaResult> cuDeviceGetName =
        (delegate* unmanaged<byte*, int, int, CudaResult>)library.Require("cuDeviceGetName");
    internal readonly delegate* unmanaged<nuint*, int, CudaResult> cuDeviceTotalMem =
        (delegate* unmanaged<nuint*, int, CudaResult>)library.Require("cuDeviceTotalMem_v2");
    internal readonly delegate* unmanaged<int*, int, int, CudaResult> cuDeviceGetAttribute =
        (delegate* unmanaged<int*, int, int, CudaResult>)library.Require("cuDeviceGetAttribute");
    internal readonly delegate* unmanaged<int*, int, int, CudaResult> cuDeviceCanAccessPeer =
        (delegate* unmanaged<int*, int, int, CudaResult>)library.Require("cuDeviceCanAccessPeer");
    internal readonly delegate* unmanaged<nint*, int, CudaResult> cuDevicePrimaryCtxRetain =
        (delegate* unmanaged<nint*, int, CudaResult>)library.Require("cuDevicePrimaryCtxRetain");
    internal readonly delegate* unmanaged<int, CudaResult> cuDevicePrimaryCtxRelease =
        (delegate* unmanaged<int, CudaResult>)library.Require("cuDevicePrimaryCtxRelease_v2");
    internal readonly delegate* unmanaged<nint, CudaResult> cuCtxSetCurrent =
        (delegate* unmanaged<nint, CudaResult>)library.Require("cuCtxSetCurrent");
    internal readonly delegate* unmanaged<CudaResult> cuCtxSynchronize =
        (delegate* unmanaged<CudaResult>)library.Require("cuCtxSynchronize");

    internal readonly delegate* unmanaged<nuint*, nuint*, CudaResult> cuMemGetInfo =
        (delegate* unmanaged<nuint*, nuint*, CudaResult>)library.Require("cuMemGetInfo_v2");
    internal readonly delegate* unmanaged<ulong*, nuint, CudaResult> cuMemAlloc =
        (delegate* unmanaged<ulong*, nuint, CudaResult>)library.Require("cuMemAlloc_v2");
    internal readonly delegate* unmanaged<ulong, CudaResult> cuMemFree =
        (delegate* unmanaged<ulong, CudaResult>)library.Require("cuMemFree_v2");
    internal readonly delegate* unmanaged<void**, nuint, uint, CudaResult> cuMemHostAlloc =
        (delegate* unmanaged<void**, nuint, uint, CudaResult>)library.Require("cuMemHostAlloc");
    internal readonly delegate* unmanaged<void*, CudaResult> cuMemFreeHost =
        (delegate* unmanaged<void*, CudaResult>)library.Require("cuMemFreeHost");
    internal readonly delegate* unmanaged<nuint*, CudaAllocation*, int, CudaResult>
        cuMemGetAllocationGranularity =
        (delegate* unmanaged<nuint*, CudaAllocation*, int, CudaResult>)
        library.Require("cuMemGetAllocationGranularity");
    internal readonly delegate* unmanaged<ulong*, nuint, nuint, ulong, ulong, CudaResult>
        cuMemAddressReserve =
        (delegate* unmanaged<ulong*, nuint, nuint, ulong, ulong, CudaResult>)
        library.Require("cuMemAddressReserve");
    internal readonly delegate* unmanaged<ulong, nuint, CudaResult> cuMemAddressFree =
        (delegate* unmanaged<ulong, nuint, CudaResult>)library.Require("cuMemAddressFree");
    internal readonly delegate* unmanaged<ulong*, nuint, CudaAllocation*, ulong, CudaResult> cuMemCreate =
        (delegate* unmanaged<ulong*, nuint, CudaAllocation*, ulong, CudaResult>)
        library.Require("cuMemCreate");
    internal readonly delegate* unmanaged<ulong, CudaResult> cuMemRelease =
        (delegate* unmanaged<ulong, CudaResult>)library.Require("cuMemRelease");
    internal readonly delegate* unmanaged<ulong, nuint, nuint, ulong, ulong, CudaResult> cuMemMap =
        (delegate* unmanaged<ulong, nuint, nuint, ulong, ulong, CudaResult>)library.Require("cuMemMap");
    internal readonly delegate* unmanaged<ulong, nuint, CudaResult> cuMemUnmap =
        (delegate* unmanaged<ulong, nuint, CudaResult>)library.Require("cuMemUnmap");
    internal readonly delegate* unmanaged<ulong, nuint, CudaAccess*, nuint, CudaResult> cuMemSetAccess =
        (delegate* unmanaged<ulong, nuint, CudaAccess*, nuint, CudaResult>)library.Require("cuMemSetAccess");

    internal readonly delegate* unmanaged<ulong, void*, nuint, nint, CudaResult> cuMemcpyHtoDAsync =
        (delegate* unmanaged<ulong, void*, nuint, nint, CudaResult>)library.Require("cuMemcpyHtoDAsync_v2");
    internal readonly delegate* unmanaged<void*, ulong, nuint, nint, CudaResult> cuMemcpyDtoHAsync =
        (delegate* unmanaged<void*, ulong, nuint, nint, CudaResult>)library.Require("cuMemcpyDtoHAsync_v2");
    internal readonly delegate* unmanaged<ulong, ulong, nuint, nint, CudaResult> cuMemcpyDtoDAsync =
        (delegate* unmanaged<ulong, ulong, nuint, nint, CudaResult>)library.Require("cuMemcpyDtoDAsync_v2");
    internal readonly delegate* unmanaged<ulong, nint, ulong, nint, nuint, nint, CudaResult>
        cuMemcpyPeerAsync =
        (delegate* unmanaged<ulong, nint, ulong, nint, nuint, nint, CudaResult>)
        library.Require("cuMemcpyPeerAsync");
    internal readonly delegate* unmanaged<ulong, byte, nuint, nint, CudaResult> cuMemsetD8Async =
        (delegate* unmanaged<ulong, byte, nuint, nint, CudaResult>)library.Require("cuMemsetD8Async");

    internal readonly delegate* unmanaged<nint*, uint, CudaResult> cuStreamCreate =
        (delegate* unmanaged<nint*, uint, CudaResult>)library.Require("cuStreamCreate");
    internal readonly delegate* unmanaged<nint, CudaResult> cuStreamDestroy =
        (delegate* unmanaged<nint, CudaResult>)library.Require("cuStreamDestroy_v2");
    internal readonly delegate* unmanaged<nint, CudaResult> cuStreamSynchronize =
        (delegate* unmanaged<nint, CudaResult>)library.Require("cuStreamSynchronize");
    internal readonly delegate* unmanaged<nint, nint, uint, CudaResult> cuStreamWaitEvent =
        (delegate* unmanaged<nint, nint, uint, CudaResult>)library.Require("cuStreamWaitEvent");
    internal readonly delegate* unmanaged<nint, int, CudaResult> cuStreamBeginCapture =
        (delegate* unmanaged<nint, int, CudaResult>)library.Require("cuStreamBeginCapture_v2");
    internal readonly delegate* unmanaged<nint, nint*, CudaResult> cuStreamEndCapture =
        (delegate* unmanaged<nint, nint*, CudaResult>)library.Require("cuStreamEndCapture");
    internal readonly delegate* unmanaged<nint*, nint, ulong, CudaResult> cuGraphInstantiateWithFlags =
        (delegate* unmanaged<nint*, nint, ulong, CudaResult>)library.Require("cuGraphInstantiateWithFlags");
    internal readonly delegate* unmanaged<nint, nint, CudaResult> cuGraphLaunch =
        (delegate* unmanaged<nint, nint, CudaResult>)library.Require("cuGraphLaunch");
    internal readonly delegate* unmanaged<nint, CudaResult> cuGraphDestroy =
        (delegate* unmanaged<nint, CudaResult>)library.Require("cuGraphDestroy");
    internal readonly delegate* unmanaged<nint, CudaResult> cuGraphExecDestroy =
        (delegate* unmanaged<nint, CudaResult>)library.Require("cuGraphExecDestroy");

    internal readonly delegate* unmanaged<nint*, uint, CudaResult> cuEventCreate =
        (delegate* unmanaged<nint*, uint, CudaResult>)library.Require("cuEventCreate");
    internal readonly delegate* unmanaged<nint, CudaResult> cuEventDestroy =
        (delegate* unmanaged<nint, CudaResult>)library.Require("cuEventDestroy_v2");
    internal readonly delegate* unmanaged<nint, nint, CudaResult> cuEventRecord =
        (delegate* unmanaged<nint, nint, CudaResult>)library.Require("cuEventRecord");
    internal readonly delegate* unmanaged<nint, CudaResult> cuEventQuery =
        (delegate* unmanaged<nint, CudaResult>)library.Require("cuEventQuery");
    internal readonly delegate* unmanaged<nint, CudaResult> cuEventSynchronize =
        (delegate* unmanaged<nint, CudaResult>)library.Require("cuEventSynchronize");
    internal readonly delegate* unmanaged<float*, nint, nint, CudaResult> cuEventElapsedTime =
        (delegate* unmanaged<float*, nint, nint, CudaResult>)library.Require("cuEventElapsedTime");

    internal readonly delegate* unmanaged<nint*, void*, uint, int*, void**, CudaResult> cuModuleLoadDataEx =
        (delegate* unmanaged<nint*, void*, uint, int*, void**, CudaResult>)
        library.Require("cuModuleLoadDataEx");
    internal readonly delegate* unmanaged<nint, CudaResult> cuModuleUnload =
        (delegate* unmanaged<nint, CudaResult>)library.Require("cuModuleUnload");
    internal readonly delegate* unmanaged<nint*, nint, byte*, CudaResult> cuModuleGetFunction =
        (delegate* unmanaged<nint*, nint, byte*, CudaResult>)library.Require("cuModuleGetFunction");
    internal readonly delegate* unmanaged<nint, int, int, CudaResult> cuFuncSetAttribute =
        (delegate* unmanaged<nint, int, int, CudaResult>)library.Require("cuFuncSetAttribute");
    internal readonly delegate* unmanaged<
            nint, uint, uint, uint, uint, uint, uint, uint, nint, void**, void**, CudaResult>
        cuLaunchKernel =
        (delegate* unmanaged<
            nint, uint, uint, uint, uint, uint, uint, uint, nint, void**, void**, CudaResult>)
        library.Require("cuLaunchKernel");

    internal readonly delegate* unmanaged<CudaLaunch*, nint, void**, void**, CudaResult> cuLaunchKernelEx =
        (delegate* unmanaged<CudaLaunch*, nint, void**, void**, CudaResult>)
        library.Require("cuLaunchKernelEx");

    // Drivers from 12.4, 12.8 and 13.0 on have these; null where they are missing.
    internal readonly delegate* unmanaged<nint, nuint, nuint*, nuint*, CudaResult> cuFuncGetParamInfo =
        (delegate* unmanaged<nint, nuint, nuint*, nuint*, CudaResult>)library.Find("cuFuncGetParamInfo");
    internal readonly delegate* unmanaged<
            ulong*, ulong*, nuint*, nuint, CudaCopyAttributes*, nuint*, nuint, nuint*, nint, CudaResult>
        cuMemcpyBatchAsync12 =
        (delegate* unmanaged<
            ulong*, ulong*, nuint*, nuint, CudaCopyAttributes*, nuint*, nuint, nuint*, nint, CudaResult>)
        library.FindVersioned("cuMemcpyBatchAsync", 12080);
    internal readonly delegate* unmanaged<
            ulong*, ulong*, nuint*, nuint, CudaCopyAttributes*, nuint*, nuint, nint, CudaResult>
        cuMemcpyBatchAsync =
        (delegate* unmanaged<
            ulong*, ulong*, nuint*, nuint, CudaCopyAttributes*, nuint*, nuint, nint, CudaResult>)
        library.FindVersioned("cuMemcpyBatchAsync", 13000);

    // Partitions of multiprocessors, which drivers from 12.5 on have.
    internal readonly delegate* unmanaged<int, CudaResource*, int, CudaResult> cuDeviceGetDevResource =
        (delegate* unmanaged<int, CudaResource*, int, CudaResult>)library.Find("cuDeviceGetDevResource");
    internal readonly delegate* unmanaged<
            CudaResource*, uint*, CudaResource*, CudaResource*, uint, uint, CudaResult>
        cuDevSmResourceSplitByCount =
        (delegate* unmanaged<CudaResource*, uint*, CudaResource*, CudaResource*, uint, uint, CudaResult>)
        library.Find("cuDevSmResourceSplitByCount");
    internal readonly delegate* unmanaged<nint*, CudaResource*, uint, CudaResult>
        cuDevResourceGenerateDesc =
        (delegate* unmanaged<nint*, CudaResource*, uint, CudaResult>)
        library.Find("cuDevResourceGenerateDesc");
    internal readonly delegate* unmanaged<nint*, nint, int, uint, CudaResult> cuGreenCtxCreate =
        (delegate* unmanaged<nint*, nint, int, uint, CudaResult>)library.Find("cuGreenCtxCreate");
    internal readonly delegate* unmanaged<nint, CudaResult> cuGreenCtxDestroy =
        (delegate* unmanaged<nint, CudaResult>)library.Find("cuGreenCtxDestroy");
    internal readonly delegate* unmanaged<nint*, nint, uint, int, CudaResult> cuGreenCtxStreamCreate =
        (delegate* unmanaged<nint*, nint, uint, int, CudaResult>)library.Find("cuGreenCtxStreamCreate");

    // What the copy engine of GPUs from 9.0 on takes; null in a driver that knows no such GPU.
    internal readonly delegate* unmanaged<
            void*, int, uint, ulong, ulong*, ulong*, uint*, uint*, int, int, int, int, CudaResult>
        cuTensorMapEncodeTiled =
        (delegate* unmanaged<
            void*, int, uint, ulong, ulong*, ulong*, uint*, uint*, int, int, int, int, CudaResult>)
        library.Find("cuTensorMapEncodeTiled");
}
