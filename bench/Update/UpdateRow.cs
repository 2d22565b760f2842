namespace PdEngine.Bench;

/// <summary>
/// What an arm took; <see cref="BenchRow.Seconds"/> is the whole update, and bytes are those of the weights,
/// against the rate at which memory is copied.
/// </summary>
internal sealed record UpdateRow : BenchRow
{
    /// <summary>Most decode steps that token flow may stop for where weights are staged in place.</summary>
    public const double TargetSteps = 2;

    public required UpdateArm Arm { get; init; }

    /// <summary>Proving and loading while the engine goes on.</summary>
    public required double PrepareSeconds { get; init; }

    /// <summary>From asking the workers to pause until all went on.</summary>
    public required double StopSeconds { get; init; }

    /// <summary>Median time between two tokens of a stream before the updates; 0 without streams.</summary>
    public required double StepSeconds { get; init; }

    /// <summary>
    /// The longest of the streams' gaps between the last token of the old weights and the first of the new
    /// ones: what they compute again after a retraction or an abort is in it.
    /// </summary>
    public required double GapSeconds { get; init; }

    /// <summary>Tokens a second while the weights were prepared, over those before.</summary>
    public required double FlowLeft { get; init; }

    /// <summary>In steps; null where there was no step to measure it by.</summary>
    public double? StopSteps => StepSeconds > 0 ? StopSeconds / StepSeconds : null;

    /// <summary>
    /// In steps; null where no step was seen, as when tokens came several at once, or no gap was.
    /// </summary>
    public double? GapSteps => StepSeconds > 0 && GapSeconds > 0 ? GapSeconds / StepSeconds : null;

    /// <summary>Whether the target says anything of this row.</summary>
    public bool HasTarget => Arm is { Mode: PauseMode.InPlace, Stages: true };

    /// <summary>Whether the target is met; null where it says nothing of this row, or the gap is
    /// unknown.</summary>
    public bool? IsMet => HasTarget && GapSteps is { } gap ? gap < TargetSteps : null;

    /// <summary>The same in a word; empty where the target says nothing of this row.</summary>
    public string Verdict => IsMet switch
    {
        true => "met",
        false => "missed",
        null => HasTarget ? "unknown" : "",
    };
}
