namespace PdEngine;

/// <summary>What computes matrix products on GPUs.</summary>
public enum GemmKind
{
    /// <summary>The engine's own kernels: a row's bits are the same in any batch.</summary>
    Own,

    /// <summary>
    /// NVIDIA's cuBLASLt where it can (gate and up stay with the engine's own): it picks its kernels by the
    /// rows of a batch, so the same token may get other bits in another batch.
    /// </summary>
    CublasLt,
}
