namespace PdEngine.Interop;

/// <summary>What becomes of a product's sums.</summary>
internal enum MatMulEpilogue
{
    /// <summary>They are stored.</summary>
    Store = 0,

    /// <summary>They are added to what is there.</summary>
    Add = 1,

    /// <summary>silu(gate) * up is stored.</summary>
    SwiGlu = 2,
}
