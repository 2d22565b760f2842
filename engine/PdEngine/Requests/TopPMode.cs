namespace PdEngine;

/// <summary>What the mass of top-p is taken of.</summary>
public enum TopPMode
{
    /// <summary>The full distribution, whatever top-k keeps (SGLang).</summary>
    Joint = 0,

    /// <summary>The distribution renormalised after top-k (vLLM, Hugging Face).</summary>
    Sequential = 1,
}
