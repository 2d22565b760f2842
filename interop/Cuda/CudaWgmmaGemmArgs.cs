using System.Runtime.InteropServices;

namespace PdEngine.Interop;

/// <summary><c>pd_gemm_wgmma_*</c>; see kernels/cuda/candidates/gemm_wgmma.cu.</summary>
[StructLayout(LayoutKind.Sequential, Size = 384)]
internal struct CudaWgmmaGemmArgs
{
    /// <summary>[columns of a segment, segments, rows] in boxes of [64, 1, rows of a tile].</summary>
    public CudaTensorMap Input;

    /// <summary>[columns of a segment, segments, outputs] in boxes of [64, 1, outputs of a tile].</summary>
    public CudaTensorMap Weight;

    public CudaGemmArgs Gemm;
}
