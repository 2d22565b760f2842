namespace PdEngine.Bench;

/// <summary>The runs of one arm: the median by tokens/s stands for it.</summary>
internal sealed class PdRow
{
    private readonly PdRun[] _byRate;

    public PdRow(IEnumerable<PdRun> runs)
    {
        _byRate = [.. runs.OrderBy(run => run.Figures.TokensPerSecond)];
    }

    public PdRun Median => _byRate[_byRate.Length / 2];

    public PdFigures Figures => Median.Figures;

    public PdArm Arm => Median.Arm;

    public int RunCount => _byRate.Length;

    public double MinTokensPerSecond => _byRate[0].Figures.TokensPerSecond;

    public double MaxTokensPerSecond => _byRate[^1].Figures.TokensPerSecond;

    /// <summary>Whether it is what its name says: a disaggregated arm handed something off.</summary>
    public bool IsAsNamed => !Arm.IsDisaggregated || Figures.HandoffSeconds.Count > 0;
}
