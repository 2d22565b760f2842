namespace PdEngine;

/// <summary>What a weight is stored and multiplied as.</summary>
internal enum MatrixElement
{
    /// <summary>The backend's own: bf16 on a CPU, float32 in the reference.</summary>
    Native = 0,

    /// <summary>See <see cref="Int8Quantization"/>.</summary>
    Int8 = 1,
}
