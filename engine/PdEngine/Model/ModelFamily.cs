namespace PdEngine;

/// <summary>
/// The model families that the engine runs; each is a setting of one decoder, not a class of its own.
/// </summary>
public enum ModelFamily
{
    /// <summary>Llama 2, 3, 3.x, SmolLM2 and others of that shape.</summary>
    Llama,

    /// <summary>Mistral: Llama with an optional sliding window.</summary>
    Mistral,

    /// <summary>Qwen2 and Qwen2.5: biases on q, k and v.</summary>
    Qwen2,

    /// <summary>Qwen3 dense: RMSNorm on each query and key head before RoPE.</summary>
    Qwen3,
}
