namespace PdEngine.Bench;

/// <summary>A load in every arm.</summary>
/// <param name="Load">The load.</param>
/// <param name="Model">As it was asked for.</param>
/// <param name="Settings">As they were asked for.</param>
/// <param name="Rows">One an arm; arms whose peer is missing are left out.</param>
/// <param name="Difference">
/// The first request whose tokens two of our arms disagree about; null where all agree.
/// </param>
internal sealed record PdResult(
    IServingLoad Load, string Model, PdSettings Settings, IReadOnlyList<PdRow> Rows, string? Difference)
{
    /// <summary>The arm that ratios are taken of, where it ran.</summary>
    public PdRow? Reference => Rows.FirstOrDefault(row => row.Arm.Name == PdArm.Reference);

    /// <summary>The colocated arm of ours with the most tokens/s, where one ran.</summary>
    public PdRow? BestColocated => Rows.Where(row => row.Arm.Kind is PdArmKind.Colocated)
        .MaxBy(row => row.Figures.TotalTokensPerSecond);
}
