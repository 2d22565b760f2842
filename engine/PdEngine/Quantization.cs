namespace PdEngine;

/// <summary>How an engine holds the weights of its products.</summary>
public enum Quantization
{
    /// <summary>
    /// As the backend does by itself: bf16 on a CPU, the checkpoint's values in the reference.
    /// </summary>
    None = 0,

    /// <summary>
    /// <c>w8a8_int8</c>: weights rounded to int8 when they are loaded, one scale per output; activations
    /// rounded to int8 in every product, one scale per token. Half the weight bytes of bf16.
    /// </summary>
    W8A8Int8 = 1,
}
