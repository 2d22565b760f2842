namespace PdEngine;

/// <summary>Names one request of an engine; unique for the engine's life, in order of submission.</summary>
/// <param name="Value">Counts from 1.</param>
public readonly record struct RequestId(long Value)
{
    /// <inheritdoc/>
    public override string ToString() => $"req-{Value}";
}
