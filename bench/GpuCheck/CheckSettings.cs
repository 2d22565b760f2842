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

    /// <summary>What all the stages may take together; null: 8 minutes for one, 9 for several.</summary>
    public TimeSpan? Time { get; init; }

    /// <summary>The same with what holds where nothing is said.</summary>
    public TimeSpan TimeOrUsual => Time ?? TimeSpan.FromMinutes(Stages.Count > 1 ? 9 : 8);

    /// <summary>Runs in this very process, which a GPU that is lost ends.</summary>
    public bool IsAlone { get; init; }

    /// <summary>Runs PyTorch and compute-sanitizer where they are.</summary>
    public bool RunsPeers { get; init; } = true;

    /// <summary>What is computed.</summary>
    public CheckScale Scale { get; init; } = CheckScale.Full;

    /// <summary>Whether a row is to be computed; what others are held against always is.</summary>
    public bool Includes(string row) =>
        row is CeilingRows.CopyRow or CeilingRows.ProductRow || IsNamed(row);

    /// <summary>Whether a row is asked for by its name, however that is spelled.</summary>
    public bool IsNamed(string row) =>
        Only is null || Parts.Any(part => row.Contains(part, StringComparison.OrdinalIgnoreCase));

    /// <summary>That what is named is there.</summary>
    /// <exception cref="OptionsException">It is not.</exception>
    public void Check()
    {
        if (ResumeFolder is { } earlier && !File.Exists(Path.Combine(earlier, CheckJournal.FileName)))
            throw new OptionsException("--resume", $"{earlier} has no {CheckJournal.FileName}");
        if (ImagesFolder is { } images)
            CheckImages.Check(images);
    }

    /// <summary>That there is a row of such a name.</summary>
    /// <exception cref="OptionsException">There is none; the message names rows that are near.</exception>
    public void CheckNames(IReadOnlyList<string> rows)
    {
        if (rows.Any(IsNamed))
            return;
        IEnumerable<string> near = rows.Where(row => !row.StartsWith("ceiling/", StringComparison.Ordinal))
            .OrderByDescending(row => Parts.Select(part => SharedLength(part, row)).DefaultIfEmpty().Max())
            .Take(3);
        throw new OptionsException(
            "--only", $"no row of {string.Join(", ", Stages)} has '{Only}'; near: {string.Join("; ", near)}");
    }

    private string[] Parts =>
        Only!.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);

    /// <summary>Characters of the longest run that is in both.</summary>
    private static int SharedLength(string part, string row)
    {
        int most = 0;
        for (int at = 0; at < part.Length; at++)
        {
            while (at + most < part.Length && row.Contains(
                part.Substring(at, most + 1), StringComparison.OrdinalIgnoreCase))
                most++;
        }
        return most;
    }
}
