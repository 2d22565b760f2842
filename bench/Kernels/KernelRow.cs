namespace PdEngine.Bench;

/// <summary>One kernel at one size.</summary>
internal sealed record KernelRow : BenchRow
{
    /// <inheritdoc cref="KernelCase.Op"/>
    public required string Op { get; init; }

    /// <summary>The arithmetic whose rate its limit is.</summary>
    public required string Roof { get; init; }
}
