namespace PdEngine.Bench;

/// <summary>What a step costs without its model.</summary>
/// <param name="Batch">Sequences that decode.</param>
/// <param name="Context">Positions behind each when it starts.</param>
/// <param name="Variant">What its requests ask for.</param>
/// <param name="MicrosecondsPerStep">Median step.</param>
/// <param name="MeanMicroseconds">Median of the rounds' means, rare steps included.</param>
/// <param name="P99Microseconds">What one step in a hundred exceeds.</param>
/// <param name="BytesPerStep">Allocated.</param>
internal sealed record StepRow(
    int Batch, int Context, StepVariant Variant, double MicrosecondsPerStep, double MeanMicroseconds,
    double P99Microseconds, double BytesPerStep)
{
    /// <summary>Most that a step of <see cref="TargetBatch"/> sequences may take.</summary>
    public const double TargetMicroseconds = 30;

    public const int TargetBatch = 32;

    /// <summary>Whether the target is met; null where it says nothing of this row.</summary>
    public bool? IsMet => Batch > TargetBatch || Variant == StepVariant.Streamed
        ? null
        : MeanMicroseconds <= TargetMicroseconds && BytesPerStep == 0;
}
