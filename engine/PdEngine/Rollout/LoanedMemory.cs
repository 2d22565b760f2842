namespace PdEngine;

/// <summary>Memory of a service that can be given back to the system for a while.</summary>
[Flags]
public enum LoanedMemory
{
    /// <summary>None of it.</summary>
    None = 0,

    /// <summary>The weights.</summary>
    Weights = 1,

    /// <summary>The KV cache, prefix cache included.</summary>
    KvCache = 2,

    /// <summary>Both.</summary>
    All = Weights | KvCache,
}
