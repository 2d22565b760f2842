namespace PdEngine.Bench;

/// <summary>One run of an arm.</summary>
/// <param name="Arm">Which.</param>
/// <param name="Trace">What the clients saw.</param>
/// <param name="Figures">Of the trace.</param>
/// <param name="Before">The machine just before.</param>
/// <param name="After">The machine just after.</param>
internal sealed record PdRun(
    PdArm Arm, LoadTrace Trace, PdFigures Figures, MachineReading Before, MachineReading After);
