namespace PdEngine;

/// <summary>What the elements of a pushed tensor are.</summary>
public enum WeightElement
{
    /// <summary>IEEE single precision.</summary>
    Float32,

    /// <summary>The upper half of a single.</summary>
    BFloat16,

    /// <summary>IEEE half precision.</summary>
    Float16,
}
