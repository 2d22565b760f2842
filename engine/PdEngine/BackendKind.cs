namespace PdEngine;

/// <summary>What computes.</summary>
public enum BackendKind
{
    /// <summary>The best that this machine has.</summary>
    Auto,

    /// <summary>Native kernels: bf16 weights and KV.</summary>
    Cpu,

    /// <summary>Kernels on GPUs: bf16 weights and KV. Not yet run on a GPU.</summary>
    Cuda,

    /// <summary>
    /// Plain C# in float32 with the checkpoint's own values: slow, the oracle of the others.
    /// </summary>
    Reference,
}
