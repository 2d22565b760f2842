namespace PdEngine.Bench;

/// <summary>How <c>gpu-check</c> runs.</summary>
internal sealed record CheckSettings
{
    /// <summary>Names of stages in the order of running.</summary>
    public required IReadOnlyList<string> Stages { get; init; }

    /// <summary>Where the report goes, which is also what a later run goes on from.</summary>
    public required string OutFolder { get; init; }

    /// <summary>Has an earlier report; null: the folder of this one.</summary>
    public string? ResumeFolder { get; init; }

    /// <summary>The driver's file; null is the system's own.</summary>
    public string? DriverPath { get; init; }

    /// <summary>cuBLASLt's file; null looks where it may be.</summary>
    public string? CublasPath { get; init; }

    /// <summary>NCCL's file; null looks where it may be.</summary>
    public string? NcclPath { get; init; }

    /// <summary>The Python that may have PyTorch.</summary>
    public string Python { get; init; } = "python3";

    /// <summary>The same where it may be asked; else null.</summary>
    public string? PythonAsked => RunsPeers ? Python : null;

    /// <summary>Images of the kernels that come before those inside; null: beside the binary.</summary>
    public string? ImagesFolder { get; init; }

    /// <summary>As the driver counts.</summary>
    public int Gpu { get; init; }

    /// <summary>Rows whose names have one of these, by commas, alone; null is all.</summary>
    public string? Only { get; init; }

    /// <summary>Rows that failed before are computed anew.</summary>
    public bool RunsFailedAgain { get; init; }

    /// <summary>After so long a stage begins no further row.</summary>
    public TimeSpan StageTime { get; init; } = TimeSpan.FromMinutes(6);

    /// <summary>Runs PyTorch and compute-sanitizer where they are.</summary>
    public bool RunsPeers { get; init; } = true;

    /// <summary>What is computed.</summary>
    public CheckScale Scale { get; init; } = CheckScale.Full;

    /// <summary>Whether a row is to be computed; what others are held against always is.</summary>
    public bool Includes(string row) =>
        Only is null || row is CeilingRows.CopyRow or CeilingRows.ProductRow
        || Only.Split(',').Any(part => row.Contains(part, StringComparison.Ordinal));
}
