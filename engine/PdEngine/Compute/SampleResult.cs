using System.Runtime.InteropServices;

namespace PdEngine;

/// <summary>What a <see cref="SampleRow"/> came to.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct SampleResult
{
    /// <summary>The drawn token, or the scored one.</summary>
    public int Token;

    /// <summary>Its natural log-prob under the row's mode.</summary>
    public float LogProb;
}
