namespace PdEngine.Bench;

/// <summary>One kernel at one size.</summary>
internal sealed record KernelRow : BenchRow
{
    /// <inheritdoc cref="KernelCase.Op"/>
    public required string Op { get; init; }
}
